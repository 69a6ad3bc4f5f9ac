# syntax=docker/dockerfile:1

# Two images from one build:
#   docker build .                       Plaza alone, for a PostgreSQL and a bucket elsewhere (compose.yaml): nodes without state
#   docker build --target standalone .   with PostgreSQL's programs, so that it runs its own database in the volume, as on a desk

FROM rust:1.95-slim-trixie AS build
# hadolint ignore=DL3008 # Debian's security updates are wanted, and a pinned version is gone with the next of them
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential libpq-dev nasm \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches outlive the build but are no part of an image, so the program is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked \
    && install -D target/release/plaza /out/plaza

FROM debian:trixie-slim AS base
# hadolint ignore=DL3008 # as above
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libpq5 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/plaza --create-home --shell /usr/sbin/nologin plaza
COPY --from=build /out/plaza /usr/local/bin/plaza
ENV PLAZA_LISTEN=0.0.0.0:8000 \
    PLAZA_DATA_DIR=/var/lib/plaza/data \
    PLAZA_STORE=file:/var/lib/plaza/media
USER 10001
WORKDIR /var/lib/plaza
VOLUME /var/lib/plaza
EXPOSE 8000
# Asked of the operators' listener, which stays inside; bash speaks enough HTTP, so no client has to be installed.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/8001 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]
# Plaza drains for a second after SIGTERM, Docker's own signal to stop.
ENTRYPOINT ["plaza"]
CMD ["serve"]

FROM base AS standalone
USER 0
# hadolint ignore=DL3008 # as above
RUN mkdir -p /etc/postgresql-common/createcluster.d \
    && echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/plaza.conf \
    && apt-get update \
    && apt-get install --yes --no-install-recommends postgresql \
    && rm -rf /var/lib/apt/lists/*
USER 10001

# The last one is what a build without --target makes.
FROM base AS plaza
