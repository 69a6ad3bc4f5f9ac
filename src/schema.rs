// Made from migrations 4c448f44fe09cc8e, and has been 8fb603647977dfd0 since.
// @generated automatically by Diesel CLI.

pub mod sql_types {
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "tsvector", schema = "pg_catalog"))]
    pub struct Tsvector;
}

diesel::table! {
    account_tokens (id) {
        id -> Int8,
        user_id -> Int8,
        purpose -> Text,
        email -> Text,
        email_key -> Text,
        token_hash -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    comments (id) {
        id -> Int8,
        post_id -> Nullable<Int8>,
        user_id -> Int8,
        alias -> Text,
        content -> Text,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    deliveries (id) {
        id -> Int8,
        webhook_id -> Int8,
        event_id -> Int8,
        status -> Text,
        attempts -> Int4,
        response_status -> Nullable<Int2>,
        error -> Nullable<Text>,
        created_at -> Timestamptz,
        attempted_at -> Nullable<Timestamptz>,
        delivered_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    events (id) {
        id -> Int8,
        #[sql_name = "type"]
        type_ -> Text,
        created_at -> Timestamptz,
        resource_id -> Nullable<Int8>,
        resource_key -> Nullable<Text>,
        changed -> Array<Nullable<Text>>,
        data -> Nullable<Jsonb>,
        actor_id -> Nullable<Int8>,
        user_id -> Nullable<Int8>,
        author_id -> Nullable<Int8>,
        host_id -> Nullable<Int8>,
    }
}

diesel::table! {
    files (key) {
        key -> Text,
        picture_key -> Nullable<Text>,
        stored_at -> Nullable<Timestamptz>,
        claimed_until -> Timestamptz,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    idempotency_keys (caller, route, key) {
        caller -> Int8,
        route -> Text,
        key -> Text,
        owner_id -> Int8,
        digest -> Bytea,
        status -> Int2,
        version -> Nullable<Int8>,
        location -> Nullable<Text>,
        body -> Bytea,
        expires_at -> Timestamptz,
        about -> Array<Nullable<Int8>>,
    }
}

diesel::table! {
    jobs (id) {
        id -> Int8,
        kind -> Text,
        payload -> Jsonb,
        user_id -> Nullable<Int8>,
        due_at -> Timestamptz,
        attempts -> Int4,
        last_error -> Nullable<Text>,
        failed_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        subject -> Nullable<Text>,
        delivery_id -> Nullable<Int8>,
    }
}

diesel::table! {
    label_post_counts (id) {
        id -> Int8,
        label_id -> Int8,
        change -> Int4,
        is_sum -> Bool,
    }
}

diesel::table! {
    labels (id) {
        id -> Int8,
        slug -> Text,
        name -> Text,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    login_names (key) {
        key -> Text,
        user_id -> Int8,
    }
}

diesel::table! {
    login_prefixes (user_id, prefix) {
        user_id -> Int8,
        prefix -> Text,
        last_login_at -> Timestamptz,
    }
}

diesel::table! {
    pictures (key) {
        key -> Text,
        width -> Int4,
        height -> Int4,
        bytes -> Int8,
        blurhash -> Text,
        created_at -> Timestamptz,
        purpose -> Text,
    }
}

diesel::table! {
    post_labels (post_id, label_id) {
        post_id -> Int8,
        label_id -> Int8,
        reason -> Nullable<Text>,
        labeled_at -> Timestamptz,
        post_created_at -> Timestamptz,
    }
}

diesel::table! {
    post_slugs (slug) {
        slug -> Text,
        post_id -> Int8,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::Tsvector;

    posts (id) {
        id -> Int8,
        slug -> Text,
        title -> Text,
        content -> Text,
        category -> Text,
        rating -> Int2,
        rank -> Int2,
        published -> Bool,
        published_at -> Nullable<Timestamptz>,
        writer_id -> Int8,
        editor_id -> Nullable<Int8>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        cover_key -> Nullable<Text>,
        document -> Tsvector,
    }
}

diesel::table! {
    profiles (user_id) {
        user_id -> Int8,
        display_name -> Text,
        bio -> Nullable<Text>,
        occupation -> Nullable<Text>,
        phone -> Nullable<Text>,
        avatar_key -> Nullable<Text>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    publication (is_only) {
        is_only -> Bool,
        last_position -> Int8,
    }
}

diesel::table! {
    sessions (id) {
        id -> Int8,
        user_id -> Int8,
        generation -> Int8,
        token_hash -> Bytea,
        user_agent -> Text,
        ip -> Text,
        created_at -> Timestamptz,
        last_used_at -> Timestamptz,
        rotated_at -> Timestamptz,
        expires_at -> Timestamptz,
        rotations -> Array<Nullable<Timestamptz>>,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        public_key -> Bytea,
        sealed_private_key -> Bytea,
        created_at -> Timestamptz,
        signs_from -> Timestamptz,
    }
}

diesel::table! {
    throttle_buckets (key) {
        key -> Bytea,
        attempts -> Float8,
        last_at -> Timestamptz,
        blocked_until -> Timestamptz,
    }
}

diesel::table! {
    unpublished_events (id) {
        id -> Int8,
        #[sql_name = "type"]
        type_ -> Text,
        also -> Nullable<Text>,
        created_at -> Timestamptz,
        transaction -> Nullable<Int8>,
        resource_id -> Nullable<Int8>,
        resource_key -> Nullable<Text>,
        changed -> Array<Nullable<Text>>,
        data -> Nullable<Jsonb>,
        actor_id -> Nullable<Int8>,
        user_id -> Nullable<Int8>,
        author_id -> Nullable<Int8>,
        about_post_id -> Nullable<Int8>,
    }
}

diesel::table! {
    users (id) {
        id -> Int8,
        username -> Text,
        username_key -> Text,
        email -> Text,
        email_key -> Text,
        email_verified_at -> Nullable<Timestamptz>,
        password_hash -> Text,
        is_active -> Bool,
        is_staff -> Bool,
        last_login -> Nullable<Timestamptz>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    webhooks (id) {
        id -> Int8,
        url -> Text,
        description -> Nullable<Text>,
        types -> Array<Nullable<Text>>,
        generation -> Int4,
        former_until -> Nullable<Timestamptz>,
        failing_since -> Nullable<Timestamptz>,
        disabled_at -> Nullable<Timestamptz>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::joinable!(account_tokens -> users (user_id));
diesel::joinable!(comments -> posts (post_id));
diesel::joinable!(comments -> users (user_id));
diesel::joinable!(deliveries -> events (event_id));
diesel::joinable!(deliveries -> webhooks (webhook_id));
diesel::joinable!(idempotency_keys -> users (owner_id));
diesel::joinable!(jobs -> deliveries (delivery_id));
diesel::joinable!(jobs -> users (user_id));
diesel::joinable!(label_post_counts -> labels (label_id));
diesel::joinable!(login_names -> users (user_id));
diesel::joinable!(login_prefixes -> users (user_id));
diesel::joinable!(post_labels -> labels (label_id));
diesel::joinable!(post_labels -> posts (post_id));
diesel::joinable!(post_slugs -> posts (post_id));
diesel::joinable!(posts -> pictures (cover_key));
diesel::joinable!(profiles -> pictures (avatar_key));
diesel::joinable!(profiles -> users (user_id));
diesel::joinable!(sessions -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    account_tokens,
    comments,
    deliveries,
    events,
    files,
    idempotency_keys,
    jobs,
    label_post_counts,
    labels,
    login_names,
    login_prefixes,
    pictures,
    post_labels,
    post_slugs,
    posts,
    profiles,
    publication,
    sessions,
    signing_keys,
    throttle_buckets,
    unpublished_events,
    users,
    webhooks,
);
