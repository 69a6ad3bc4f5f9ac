"""Writes expected.json: the rows that Django itself finds for queries of Plaza's lookup language. See README.md."""

import csv
import itertools
import json
import os
from datetime import date, datetime, time
from functools import partial
from pathlib import Path

import django
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone

HERE = Path(__file__).parent
ZONES = ["UTC", "America/New_York", "Asia/Kolkata"]

settings.configure(
    # host, port, user and password come from libpq's own variables.
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}},
    # Models are found from the other side of a relation only in an installed app: this file.
    INSTALLED_APPS=[__name__],
    USE_TZ=True,
    TIME_ZONE="UTC",
)
django.setup()


class Table(models.Model):
    class Meta:
        abstract = True
        managed = False


class User(Table):
    id = models.BigAutoField(primary_key=True)
    username = models.TextField()
    email = models.TextField()
    is_active = models.BooleanField()
    is_staff = models.BooleanField()
    email_verified_at = models.DateTimeField(null=True)
    last_login = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta(Table.Meta):
        db_table = "users"


class Profile(Table):
    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="profile")
    display_name = models.TextField()
    bio = models.TextField(null=True)
    occupation = models.TextField(null=True)
    phone = models.TextField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta(Table.Meta):
        db_table = "profiles"


class Post(Table):
    id = models.BigAutoField(primary_key=True)
    title = models.TextField()
    slug = models.TextField()
    content = models.TextField()
    category = models.TextField()
    rating = models.SmallIntegerField()
    rank = models.SmallIntegerField()
    published = models.BooleanField()
    published_at = models.DateTimeField(null=True)
    writer = models.ForeignKey(User, models.CASCADE, related_name="posts")
    editor = models.ForeignKey(User, models.SET_NULL, null=True, related_name="edited_posts")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta(Table.Meta):
        db_table = "posts"


class Label(Table):
    id = models.BigAutoField(primary_key=True)
    name = models.TextField()
    slug = models.TextField()
    created_at = models.DateTimeField()

    class Meta(Table.Meta):
        db_table = "labels"


class PostLabel(Table):
    id = models.BigAutoField(primary_key=True)
    post = models.ForeignKey(Post, models.CASCADE, related_name="post_labels")
    label = models.ForeignKey(Label, models.CASCADE, related_name="post_labels")
    reason = models.TextField(null=True)
    labeled_at = models.DateTimeField()

    class Meta(Table.Meta):
        db_table = "post_labels"


class Comment(Table):
    id = models.BigAutoField(primary_key=True)
    post = models.ForeignKey(Post, models.CASCADE, null=True, related_name="comments")
    user = models.ForeignKey(User, models.CASCADE, related_name="comments")
    alias = models.TextField()
    content = models.TextField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta(Table.Meta):
        db_table = "comments"


MODELS = {"posts": Post, "labels": Label, "comments": Comment, "users": User, "profiles": Profile}
# The column that stands for a row: in expected.json, and where a relation is named without a field.
KEYS = {"posts": "slug", "labels": "slug", "comments": "id", "users": "username", "profiles": "user__username"}
DEFAULT_ORDERINGS = {
    "posts": "-created_at",
    "labels": "name",
    "comments": "created_at",
    "users": "username",
    "profiles": "username",
}
# Where the relations of a list lead: the path in Django, and the list whose fields are there. Labels are reached over
# the rows of post_labels, as with a through model, so that what is said of a label and of its labelling means one row.
RELATIONS = {
    "posts": {
        "writer": ("writer", "users"),
        "editor": ("editor", "users"),
        "labels": ("post_labels__label", "labels"),
        "comments": ("comments", "comments"),
    },
    "comments": {"user": ("user", "users"), "post": ("post", "posts")},
    "labels": {"posts": ("post_labels__post", "posts")},
    "profiles": {"user": ("user", "users")},
    "users": {"profile": ("profile", "profiles"), "posts": ("posts", "posts")},
}
TO_MANY = {"labels", "comments", "posts"}
RENAMED = {("profiles", "username"): "user__username"}
OPERATORS = {
    *(
        "exact",
        "iexact",
        "contains",
        "icontains",
        "startswith",
        "istartswith",
        "endswith",
        "iendswith",
        "regex",
        "iregex",
    ),
    *("in", "isnull", "gt", "gte", "lt", "lte", "range"),
}
BOOLEANS = {"true": True, "false": False}
PARSERS = {
    models.TextField: str,
    models.BigAutoField: int,
    models.SmallIntegerField: int,
    models.BooleanField: BOOLEANS.__getitem__,
    models.DateTimeField: datetime.fromisoformat,
}
DAY_PARTS = ["year", "iso_year", "month", "day", "week", "week_day", "iso_week_day", "quarter"]
NUMBER_PARTS = [*DAY_PARTS, "hour", "minute", "second"]
PARTS = {"date": date.fromisoformat, "time": time.fromisoformat, **dict.fromkeys(NUMBER_PARTS, int)}


def translate(resource, name):
    """Django's name for a parameter, and what reads its values."""
    path, words = [], name.split("__")
    while words and words[0] in RELATIONS[resource]:
        relation = words.pop(0)
        step, resource = RELATIONS[resource][relation]
        # Whether a label is there, why and since when is a matter of the through row.
        if relation in ("labels", "posts") and words and words[0] in ("isnull", "reason", "labeled_at"):
            step = step.removesuffix("__label").removesuffix("__post")
        path.append(step)
    if words == ["isnull"]:
        return "__".join([*path, "isnull"]), BOOLEANS.__getitem__
    if not words or words[0] in OPERATORS:
        words.insert(0, KEYS[resource])
    else:
        words[0] = RENAMED.get((resource, words[0]), words[0])
    field, *rest = words
    if field in ("reason", "labeled_at"):
        column = PostLabel._meta.get_field(field)
    else:
        model = User if field == "user__username" else MODELS[resource]
        column = model._meta.get_field(field.removeprefix("user__"))
    parse = PARSERS[type(column)]
    if rest and rest[0] in PARTS:
        parse = PARTS[rest[0]]
    if rest and rest[-1] in ("in", "range"):
        parse = partial(parse_list, parse)
    elif rest and rest[-1] == "isnull":
        parse = BOOLEANS.__getitem__
    return "__".join([*path, *words]), parse


def parse_list(parse, text):
    return [parse(value) for value in next(csv.reader([text]), [])] if text else []


def condition(resource, name, text):
    django_name, parse = translate(resource, name)
    return Q((django_name, parse(text)))


def having_all(rows, resource, name, text):
    """The rows related to each of the named ones: one filter() for each, since one filter() means one related row."""
    for value in parse_list(str, text):
        rows = rows.filter(condition(resource, name.removesuffix("__all"), value))
    return rows


def among(rows):
    """A condition without joins, so that it neither repeats rows nor binds any."""
    return Q(pk__in=rows.order_by().values("pk"))


def select(resource, query):
    """The rows that Django finds for the parameters of a request."""
    every = MODELS[resource].objects.all()
    rows, together = every, Q()
    for name, text in query:
        if name in ("ordering", "tz", "filter"):
            continue
        if name.startswith("exclude__"):
            name = name.removeprefix("exclude__")
            if name.endswith("__all"):
                rows = rows.exclude(among(having_all(every, resource, name, text)))
            else:
                rows = rows.exclude(condition(resource, name, text))
        elif name.endswith("__all"):
            rows = having_all(rows, resource, name, text)
        else:
            together &= condition(resource, name, text)
    return rows.filter(together)


def sort(resource, terms):
    """Django's names of the terms of an ordering, with the primary key at the end in the last term's direction."""
    names = []
    for term in terms.split(","):
        sign = "-" if term.startswith("-") else ""
        names.append(sign + translate(resource, term.removeprefix("-"))[0])
    return [*names, sign + "pk"]


def answer(resource, query, expression=None):
    """A case with its rows. A filter= is written in Django's terms by hand: `expression`."""
    parameters = dict(query)
    with timezone.override(parameters.get("tz", "UTC")):
        model = MODELS[resource]
        rows = select(resource, query)
        if expression is not None:
            rows = model.objects.filter(among(rows)).filter(expression)
        rows = model.objects.filter(among(rows)).order_by(
            *sort(resource, parameters.get("ordering", DEFAULT_ORDERINGS[resource]))
        )
        return {"list": resource, "query": query, "rows": list(rows.values_list(KEYS[resource], flat=True))}


TEXT_OPERATORS = ["exact", "iexact", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"]
COMPARISONS = ["exact", "gt", "gte", "lt", "lte"]

# What is special in LIKE, in quoting, in CSV, or in upper case.
STRINGS = [
    "%",
    "_",
    "\\",
    "100%",
    "100_",
    "\\t",
    "%x_",
    "'",
    '"',
    ",",
    "\N{THUMBS UP SIGN}",
    "\N{EMOJI MODIFIER FITZPATRICK TYPE-4}",
    "\N{WOMAN}\N{ZERO WIDTH JOINER}",
    "\N{REGIONAL INDICATOR SYMBOL LETTER D}\N{REGIONAL INDICATOR SYMBOL LETTER E}",
    "Straße",
    "STRAẞE",
    "strasse",
    "ss",
    "İstanbul",
    "i\N{COMBINING DOT ABOVE}stanbul",
    "istanbul",
    "ıSTANBUL",
    "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    "cafe\N{COMBINING ACUTE ACCENT}",
    "CAFE",
    "MA\N{LATIN CAPITAL LETTER N WITH TILDE}ANA",
    "οδος",
    "ΟΔΟΣ",
    "\N{LATIN CAPITAL LETTER D WITH SMALL LETTER Z WITH CARON}UNGLA",
    "FINAL",
    "\N{LATIN SMALL LIGATURE FI}",
    "日本",
    "مرحبا",
    "٣",
    "12",
    " ",
    "  ",
    "\t",
    "a.b*c+d?",
    "^start$",
    "alpha",
    "ALPHA ",
    "",
    "null",
    "\N{KELVIN SIGN}",
    "s",
    "\N{MODIFIER LETTER APOSTROPHE}N",
    "ΑΙ",
    "\N{LATIN CAPITAL LETTER Y WITH DIAERESIS}",
    "\N{SOFT HYPHEN}",
]

PATTERNS = [
    "",
    "^a",
    "x$",
    r"\.",
    "a.b",
    r"^\d+$",
    r"\d",
    r"^\s",
    r"\s$",
    r"\s{2,}",
    r"(.)\1",
    "^(alpha|final) ",
    "(?i)^alpha$",
    "[[:upper:]]{3,}",
    r"\mc",
    r"\Mcotton|x\M",
    "^.$",
    "^[^a-z]+$",
    r"[$^]",
    r"\\",
    "ß",
    "SS",
    "İ",
    "caf\N{LATIN CAPITAL LETTER E WITH ACUTE}",
    "σ$",
    "\N{THUMBS UP SIGN}.",
    "日.語",
    "%|_",
    "fi",
    "'|\"",
]

# For each part: exact, gt, gte, lt, lte, in, range.
PART_VALUES = {
    "date": "2024-02-29 2024-12-31 2025-01-01 1970-01-01 2000-02-29 2024-02-29,2024-12-31 2024-12-30,2025-01-01",
    "year": "2024 2024 2025 1970 2020 1969,2025,2100 2018,2021",
    "iso_year": "2020 2025 2025 2019 1970 2019,2025,2026 2019,2021",
    "month": "2 11 12 3 2 2,11 2,3",
    "day": "29 30 31 2 1 1,29,31 28,29",
    "week": "53 52 52 2 1 52,53 1,9",
    "week_day": "1 6 7 2 1 1,7 2,3",
    "iso_week_day": "7 6 6 2 1 6,7 1,2",
    "quarter": "2 3 4 2 1 2,3 2,3",
    "time": "09:30:00 23:00:00 23:59:59.999999 01:00:00 00:00:00 09:30:00,09:30:00.123456,15:00:00 01:30:00,05:30:00",
    "hour": "1 22 23 1 0 0,2,23 1,3",
    "minute": "30 58 59 1 0 0,30,59 29,31",
    "second": "59 58 59 1 0 1,59 1,58",
}


def text_cases():
    """Every text lookup with every difficult string, and every text field with every lookup."""
    for text, operator in itertools.product(STRINGS, TEXT_OPERATORS):
        yield "posts", [[f"title__{operator}", text]]
    for pattern in PATTERNS:
        yield "posts", [["title__regex", pattern]]
        yield "posts", [["title__iregex", pattern]]
    for operator in TEXT_OPERATORS:
        yield "posts", [[f"content__{operator}", ""]]
    for operator, text in [
        ("contains", "\n"),
        ("endswith", "\n"),
        ("exact", "First line\nSecond line"),
        ("regex", "^Second"),
        ("regex", "(?n)^Second"),
        ("regex", "line$"),
        ("regex", "line.Second"),
        ("icontains", "CR\N{LATIN CAPITAL LETTER E WITH GRAVE}ME"),
        ("icontains", "cre\N{COMBINING GRAVE ACCENT}me"),
        ("iexact", "ΣΊΣΥΦΟΣ"),
        ("exact", "x" * 300),
        ("contains", "[a-z]+ (group) {2} ^$ | \\d"),
        ("in", '0,"First line, then"'),
        ("gt", ""),
        ("lte", ""),
    ]:
        yield "posts", [[f"content__{operator}", text]]
    for text in ["alpha", "Cafe", "Z", "strasse", "100", "日本", " ", "", "Ａ", "\N{THUMBS UP SIGN}", "οδος"]:
        for operator in ["gte", "lt"]:
            yield "posts", [[f"title__{operator}", text], ["ordering", "title"]]
    for text in [
        "alpha,Alpha",
        '"a,b",k',
        '"say ""hi"", ""bye""",S',
        "",
        "nothing",
        "100% cotton,100_cotton,back\\slash",
    ]:
        yield "posts", [["title__in", text]]
        yield "posts", [["exclude__title__in", text]]
    for text in ["alpha,ALPHA", "c,d", "d,c", "Straße,strasse", '"a,b","a,c"', "0,9"]:
        yield "posts", [["title__range", text]]
        yield "posts", [["exclude__title__range", text]]
    for operator, text in itertools.chain(
        itertools.product(TEXT_OPERATORS, ["alpha", "a_b", "STRASSE"]),
        [("contains", "_"), ("contains", "-"), ("icontains", "A_"), ("in", "alpha,Alpha,a-b,none"), ("range", "a,b")],
        [
            ("gt", "alpha"),
            ("gte", "Alpha"),
            ("lt", "a_b"),
            ("lte", "ALPHA"),
            ("regex", "^[A-Z]+$"),
            ("iregex", "^A.B$"),
        ],
        [("isnull", "true"), ("isnull", "false")],
    ):
        yield "posts", [[f"slug__{operator}", text]]
    # Fields, values that some row has, and a list that needs quotes.
    fields = [
        (
            "labels",
            "name",
            ["News", "tech", "100%", "lonely SS", "\N{LATIN SMALL LETTER E WITH ACUTE}"],
            '"News",tech,"x,y"',
        ),
        ("labels", "slug", ["tech", "new_s", "OLD"], "ai,Old"),
        ("comments", "alias", ["ana", "żół", "50%", "anon_1"], "Ana,ANA"),
        ("comments", "content", ["nice!", "a\\b", "straße", 'it\'s "quoted", yes', "i"], '"it\'s ""quoted"", yes",OK'),
        ("users", "username", ["ANA", "bob", "ŻÓŁĆ", ".", "+", "_", "@", "zoe"], "ana,bob,ZOE"),
        ("users", "email", ["bob@example.org", "EXAMPLE", "zoË"], "ana@example.org,Bob@Example.org"),
        ("profiles", "username", ["ana", "ŻÓŁĆ", "carl.g"], "ana,Bob"),
        ("profiles", "display_name", ["ana strasse", '"D" O\'Neil', "GAUSS", "\N{TURTLE}"], "eve,Frank"),
        ("profiles", "bio", ["100%", "a_b", "line one\nline two", "CAF\N{LATIN CAPITAL LETTER E WITH ACUTE}"], ""),
        ("profiles", "occupation", ["engineer", "cafe"], "engineer,Engineer"),
        ("profiles", "phone", ["+", "555_", "+49 30 1234"], '"+49 30 1234",555_0100'),
    ]
    for resource, field, texts, several in fields:
        for number, text in enumerate(texts):
            # All of them with the first, one in turn with the others.
            chosen = TEXT_OPERATORS if number == 0 else [TEXT_OPERATORS[3 * number % 8]]
            for operator in chosen:
                yield resource, [[f"{field}__{operator}", text]]
        yield resource, [[f"{field}__regex", "^[a-z]"]]
        yield resource, [[f"{field}__iregex", "^[a-z]+$"]]
        yield resource, [[f"{field}__in", several]]
        yield resource, [[f"{field}__range", "a,f"]]
        for operator, text in zip(["gt", "gte", "lt", "lte"], ["b", texts[0], "f", texts[-1]], strict=True):
            yield resource, [[f"{field}__{operator}", text]]
        for text in BOOLEANS:
            yield resource, [[f"{field}__isnull", text]]
        yield resource, [[field, texts[0]]]


def number_cases():
    numbers = ["3", "0", "-1", "32767", "32768", "-32769", "2147483648", "9223372036854775807", "-9223372036854775808"]
    for operator, number in itertools.product(COMPARISONS, numbers):
        yield "posts", [[f"rating__{operator}", number]]
    for number in numbers:
        yield "posts", [["exclude__rating", number]]
    for resource in ["posts", "labels", "comments", "users"]:
        for operator in COMPARISONS:
            yield resource, [[f"id__{operator}", "1004"]]
        yield resource, [["id__lt", "9223372036854775807"]]
        yield resource, [["id__in", "1001,1003,9223372036854775807"]]
        yield resource, [["id__range", "1002,1004"]]
        yield resource, [["id__isnull", "true"]]
        yield resource, [["exclude__id__range", "1002,1005"]]
    for operator, text in [
        ("in", "1,5"),
        ("in", ""),
        ("in", "-1,32768,9223372036854775807,4"),
        ("range", "2,3"),
        ("range", "3,2"),
        ("range", "-9223372036854775808,9223372036854775807"),
        ("isnull", "true"),
        ("isnull", "false"),
    ]:
        yield "posts", [[f"rank__{operator}", text]]
        yield "posts", [[f"exclude__rank__{operator}", text]]
    for operator, text in [
        *itertools.product(COMPARISONS, ["HLT"]),
        ("in", "SOC,TEC"),
        ("in", ""),
        ("range", "EDU,HLT"),
        ("isnull", "true"),
        ("isnull", "false"),
    ]:
        yield "posts", [[f"category__{operator}", text]]
    for resource, field in [("posts", "published"), ("users", "is_staff"), ("users", "is_active")]:
        for text in BOOLEANS:
            yield resource, [[field, text]]
            yield resource, [[f"{field}__exact", text]]
            yield resource, [[f"exclude__{field}", text]]


def time_cases():
    moments = [
        "2024-05-05T09:30:00Z",
        "2024-05-05T09:30:00.123456Z",
        "2024-03-10T01:59:59.999999-05:00",
        "2024-03-10T03:00:00-04:00",
        "2024-11-03T01:30:00-05:00",
        "2025-01-01T00:00:00+05:30",
        "1969-12-31T23:59:59.999999Z",
    ]
    for operator, moment in itertools.product(COMPARISONS, moments):
        yield "posts", [[f"created_at__{operator}", moment]]
    for operator, text in [
        ("in", "2024-05-05T09:30:00Z,1970-01-01T00:00:00+00:00"),
        ("in", ""),
        ("range", "2024-02-29T00:00:00Z,2024-11-03T05:59:59.999999Z"),
        ("range", "2025-01-01T00:00:00Z,2024-01-01T00:00:00Z"),
        ("isnull", "true"),
        ("isnull", "false"),
    ]:
        for field in ["created_at", "published_at"]:
            yield "posts", [[f"{field}__{operator}", text]]
            yield "posts", [[f"exclude__{field}__{operator}", text]]
    for resource, field in [
        ("posts", "published_at"),
        ("posts", "updated_at"),
        ("labels", "created_at"),
        ("comments", "created_at"),
        ("comments", "updated_at"),
        ("users", "created_at"),
        ("users", "last_login"),
        ("users", "email_verified_at"),
        ("profiles", "created_at"),
        ("profiles", "updated_at"),
    ]:
        yield resource, [[field, "2024-11-03T05:30:00Z"]]
        yield resource, [[f"{field}__lte", "2024-11-03T05:30:00Z"]]
        yield resource, [[f"exclude__{field}__gte", "2024-02-29T12:00:00Z"]]
        yield resource, [[f"{field}__isnull", "true"]]
        yield resource, [[f"{field}__year__gte", "2024"], ["tz", "America/New_York"]]
        yield resource, [[f"exclude__{field}__date", "2024-12-31"], ["tz", "America/New_York"]]
        yield resource, [[f"{field}__hour__in", "0,1,5,23"], ["tz", "Asia/Kolkata"]]
    for part, values in PART_VALUES.items():
        for (operator, value), zone in itertools.product(
            zip([*COMPARISONS, "in", "range"], values.split(), strict=True), ZONES
        ):
            name = f"created_at__{part}" + ("" if operator == "exact" else f"__{operator}")
            yield "posts", [[name, value], *([] if zone == "UTC" else [["tz", zone]])]
        exact, in_list = values.split()[0], values.split()[5]
        # published_at is NULL in drafts.
        yield "posts", [[f"exclude__published_at__{part}", exact], ["tz", "America/New_York"]]
        yield "posts", [[f"published_at__{part}__in", in_list], ["tz", "Asia/Kolkata"]]
    for query in [
        [["created_at__week__in", ""]],
        [["exclude__created_at__week__in", ""]],
        [["created_at__second__gt", "59"]],
        [["created_at__time", "09:30:00.123456"]],
        [["created_at__time__gte", "23:59:59.999999"]],
        [["created_at__hour", "-1"]],
        [["created_at__day__lt", "9223372036854775807"]],
        [["created_at__hour", "2"], ["created_at__month", "3"], ["tz", "America/New_York"]],
        [["created_at__hour", "1"], ["created_at__date", "2024-11-03"], ["tz", "America/New_York"]],
        [["created_at__year", "2024"], ["created_at__iso_year", "2025"]],
        [["created_at__week", "53"], ["created_at__month", "1"]],
        [["created_at__year", "2024"], ["exclude__created_at__month", "5"], ["tz", "Europe/Berlin"]],
        [["created_at__date__gte", "2024-11-03"], ["created_at__date__lte", "2024-11-03"], ["tz", "Pacific/Auckland"]],
    ]:
        yield "posts", query


def relation_cases():
    """Over each relation its key and some of its fields, both kept and excluded."""
    conditions = {
        "posts": [
            ("writer", "ana"),
            ("writer", "bob"),
            ("writer__in", "ana,Bob"),
            ("writer__in", ""),
            ("writer__isnull", "true"),
            ("writer__isnull", "false"),
            ("writer__username__iexact", "BOB"),
            ("writer__email__iendswith", "@EXAMPLE.ORG"),
            ("writer__is_staff", "true"),
            ("writer__last_login__isnull", "true"),
            ("writer__last_login__gte", "2024-11-03T05:30:00Z"),
            ("writer__id__in", "1001,1002"),
            ("editor", "ana"),
            ("editor__in", "ana,frank@home"),
            ("editor__in", ""),
            ("editor__isnull", "true"),
            ("editor__isnull", "false"),
            ("editor__username__startswith", "e"),
            ("editor__username__isnull", "true"),
            ("editor__username__isnull", "false"),
            ("editor__email_verified_at__isnull", "true"),
            ("editor__email_verified_at__lt", "2025-01-01T00:00:00Z"),
            ("editor__is_staff", "false"),
            ("editor__created_at", "2024-01-01T00:00:00Z"),
            ("labels", "ai"),
            ("labels", "AI"),
            ("labels__in", "ai,Old,none"),
            ("labels__in", ""),
            ("labels__isnull", "true"),
            ("labels__isnull", "false"),
            ("labels__slug", "tech_2"),
            ("labels__slug__icontains", "_"),
            ("labels__name", "News"),
            ("labels__name__iexact", "TECH"),
            ("labels__name__contains", "%"),
            ("labels__name__isnull", "true"),
            ("labels__id", "1003"),
            ("labels__id__gt", "1006"),
            ("labels__created_at__lt", "2021-01-01T00:00:00Z"),
            ("labels__reason", "because"),
            ("labels__reason__iexact", "because"),
            ("labels__reason__icontains", "SS"),
            ("labels__reason__isnull", "true"),
            ("labels__reason__isnull", "false"),
            ("labels__reason__in", '"it\'s ""so"", he said",x'),
            ("labels__reason__gt", "because"),
            ("labels__labeled_at__gte", "2025-01-01T00:00:00Z"),
            ("labels__labeled_at__range", "2024-01-01T00:00:00Z,2024-06-01T00:00:00Z"),
            ("labels__all", "ai,tech"),
            ("labels__all", "Old,new_s"),
            ("labels__all", "news-2"),
            ("labels__all", "ai,none"),
            ("comments", "1003"),
            ("comments__in", "1001,1002,1003"),
            ("comments__isnull", "true"),
            ("comments__isnull", "false"),
            ("comments__id__lt", "1010"),
            ("comments__alias", "Bob"),
            ("comments__content__icontains", "NICE"),
            ("comments__content__regex", r"\n"),
            ("comments__created_at__gt", "2024-06-01T00:00:00Z"),
            ("comments__updated_at__lte", "2024-06-01T00:00:00Z"),
            ("comments__user", "ana"),
            ("comments__user__in", "ana,ZOE"),
            ("comments__user__isnull", "true"),
            ("comments__user__isnull", "false"),
            ("comments__user__username__startswith", "Ż"),
            ("comments__user__last_login__isnull", "true"),
            ("comments__user__is_staff", "true"),
        ],
        "comments": [
            ("user", "ana"),
            ("user__in", "ana,Bob"),
            ("user__isnull", "true"),
            ("user__username__icontains", "O"),
            ("user__last_login__isnull", "true"),
            ("user__last_login__lt", "2024-12-31T18:30:00Z"),
            ("user__is_staff", "true"),
            ("post", "100_cotton"),
            ("post", "thumbs"),
            ("post__in", "thumbs,odos,100-cotton"),
            ("post__in", ""),
            ("post__isnull", "true"),
            ("post__isnull", "false"),
            ("post__title__icontains", "COTTON"),
            ("post__title__isnull", "true"),
            ("post__rating__gte", "4"),
            ("post__rating", "32768"),
            ("post__published", "true"),
            ("post__published_at__isnull", "true"),
            ("post__published_at__gt", "2024-03-01T00:00:00Z"),
            ("post__category__in", "SOC,EDU"),
            ("post__created_at__lt", "2024-06-01T00:00:00Z"),
            ("post__writer", "ana"),
            ("post__writer__in", "Bob,carl.g"),
            ("post__writer__isnull", "true"),
            ("post__writer__isnull", "false"),
            ("post__writer__is_staff", "true"),
            ("post__writer__last_login__isnull", "true"),
            ("post__labels", "ai"),
            ("post__labels__in", "ai,Old"),
            ("post__labels__isnull", "true"),
            ("post__labels__isnull", "false"),
            ("post__labels__name", "News"),
            ("post__labels__slug__startswith", "new"),
            ("post__labels__reason__isnull", "true"),
            ("post__labels__reason__isnull", "false"),
            ("post__labels__reason__icontains", "because"),
        ],
        "labels": [
            ("posts", "alpha"),
            ("posts__in", "alpha,Alpha,thumbs"),
            ("posts__isnull", "true"),
            ("posts__isnull", "false"),
            ("posts__title__istartswith", "strasse"),
            ("posts__title__isnull", "true"),
            ("posts__rating", "5"),
            ("posts__rating__lt", "2"),
            ("posts__published", "false"),
            ("posts__published_at__isnull", "true"),
            ("posts__published_at__isnull", "false"),
            ("posts__published_at__lt", "1970-01-01T00:00:00Z"),
            ("posts__category", "TEC"),
            ("posts__created_at__gte", "2026-12-01T00:00:00Z"),
        ],
        "profiles": [
            ("user", "ana"),
            ("user__in", "ana,ZOE"),
            ("user__isnull", "true"),
            ("user__isnull", "false"),
            ("user__username__endswith", "e"),
            ("user__email__iexact", "bob@EXAMPLE.org"),
            ("user__is_staff", "true"),
            ("user__last_login__isnull", "true"),
            ("user__last_login__gt", "2024-01-01T00:00:00Z"),
            ("user__email_verified_at__lte", "2024-01-01T00:00:00Z"),
            ("user__created_at__in", "2024-01-01T00:00:00Z,2024-02-29T00:00:00Z"),
            ("user__id__range", "1003,1005"),
        ],
        "users": [
            ("profile", "ana"),
            ("profile__in", "ana,Bob"),
            ("profile__isnull", "true"),
            ("profile__isnull", "false"),
            ("profile__username__iexact", "zoe"),
            ("profile__display_name__icontains", "STRASSE"),
            ("profile__bio__isnull", "true"),
            ("profile__bio__contains", "a"),
            ("profile__occupation__iexact", "engineer"),
            ("profile__phone__startswith", "+"),
            ("profile__updated_at__gt", "2024-06-01T00:00:00Z"),
            ("posts", "alpha"),
            ("posts__in", "alpha,thumbs"),
            ("posts__isnull", "true"),
            ("posts__isnull", "false"),
            ("posts__title__iexact", "ALPHA"),
            ("posts__rating__gte", "5"),
            ("posts__published", "false"),
            ("posts__published_at__isnull", "true"),
            ("posts__published_at__gt", "2027-01-01T00:00:00Z"),
            ("posts__category__in", "HLT,TEC"),
        ],
    }
    for resource, pairs in conditions.items():
        for name, text in pairs:
            yield resource, [[name, text]]
            yield resource, [[f"exclude__{name}", text]]


def combined_cases():
    """Several conditions: which of them bind one related row, and which stand by themselves."""
    posts = [
        [["rating__gte", "3"], ["rank__lte", "2"]],
        [["title__icontains", "a"], ["title__icontains", "e"]],
        [["rating", "3"], ["rating", "4"]],
        [["labels", "ai"], ["labels", "tech"]],
        [["labels__slug", "ai"], ["labels__reason", "because"]],
        [["labels__slug", "ai"], ["labels__reason__isnull", "true"]],
        [
            ["labels__slug", "Old"],
            ["labels__reason__isnull", "false"],
            ["labels__labeled_at__gt", "2024-06-01T00:00:00Z"],
        ],
        [["labels__name", "News"], ["labels__slug", "news-2"]],
        [["labels__reason__isnull", "true"], ["rating__gte", "4"]],
        [["labels__isnull", "true"], ["labels__reason__isnull", "true"]],
        [["labels__isnull", "false"], ["labels__reason__isnull", "true"]],
        [["labels__slug__in", "ai,tech"], ["labels__slug__gt", "b"]],
        [["labels__all", "ai,Old"], ["labels__reason", "because"]],
        [["labels__all", "ai,Old"], ["labels", "ai"], ["labels__reason__isnull", "true"]],
        [["labels", "ai"], ["exclude__labels", "Old"]],
        [["labels", "ai"], ["exclude__labels__reason__isnull", "true"]],
        [["exclude__labels__slug", "ai"], ["exclude__labels__reason", "because"]],
        [["exclude__labels", "ai"], ["exclude__labels", "Old"]],
        [["exclude__labels__isnull", "true"], ["exclude__comments__isnull", "true"]],
        [["comments__alias", "Ana"], ["comments__user__username", "Bob"]],
        [["comments__alias__iexact", "ana"], ["comments__user", "Bob"]],
        [["comments__user", "ana"], ["comments__created_at", "2024-05-05T09:30:00Z"]],
        [["comments__user__is_staff", "true"], ["comments__user__last_login__isnull", "true"]],
        [["comments__user", "ana"], ["comments__user", "Bob"]],
        [["comments__content__icontains", "a"], ["labels__reason__icontains", "a"]],
        [["comments__isnull", "false"], ["labels__isnull", "false"]],
        [["comments__isnull", "true"], ["labels__isnull", "true"]],
        [["comments__user", "ana"], ["exclude__comments__user", "Bob"]],
        [["comments__user", "ana"], ["labels", "ai"], ["writer__is_staff", "true"]],
        [["writer", "ana"], ["editor", "ana"]],
        [["writer", "ana"], ["exclude__editor", "ana"]],
        [["writer__is_staff", "true"], ["writer__username__startswith", "a"]],
        [["exclude__editor__is_staff", "true"], ["exclude__editor__isnull", "true"]],
        [["editor__username__isnull", "true"], ["editor__is_staff", "false"]],
        [["editor__last_login__isnull", "true"], ["rating__gte", "3"]],
        [["editor__last_login__isnull", "true"], ["editor__isnull", "false"]],
        [["editor__last_login__isnull", "true"], ["editor__email_verified_at__isnull", "true"]],
        [["comments__user__last_login__isnull", "true"], ["comments__alias", "Ana"]],
        [["comments__user__last_login__isnull", "true"], ["comments__isnull", "false"]],
        [["comments__user__last_login__isnull", "true"], ["labels__reason__isnull", "true"]],
        [["comments__user__isnull", "true"], ["comments__isnull", "true"]],
        [["exclude__published_at__gt", "2024-06-01T00:00:00Z"], ["published", "false"]],
        [["exclude__rating", "1"], ["exclude__rating", "2"], ["exclude__rating", "3"]],
        [["title__icontains", "a"], ["ordering", "-rating,title"]],
        [["labels__slug__in", "ai,Old,new_s,news-2"], ["ordering", "writer__username,-created_at"]],
        [["comments__isnull", "false"], ["ordering", "-editor__username,rank"]],
        [["published_at__year", "2024"], ["tz", "Asia/Kolkata"], ["ordering", "published_at"]],
    ]
    others = {
        "comments": [
            [["post__labels", "ai"], ["post__labels", "Old"]],
            [["post__labels", "ai"], ["post__labels__reason__isnull", "true"]],
            [["post__labels__reason", "because"], ["user", "ana"]],
            [["post__writer", "ana"], ["user", "ana"]],
            [["post__isnull", "true"], ["user__is_staff", "true"]],
            [["exclude__post__labels", "ai"], ["exclude__user", "Bob"]],
            [["exclude__post__writer", "ana"], ["post__isnull", "true"]],
            [["post__rating__gte", "3"], ["post__writer__is_staff", "true"], ["ordering", "post__title"]],
        ],
        "labels": [
            [["posts__rating", "5"], ["posts__rank", "5"]],
            [["posts__rating", "5"], ["posts__published", "false"]],
            [["posts__title__icontains", "alpha"], ["posts__rating__gte", "4"]],
            [["exclude__posts__rating", "5"], ["exclude__posts__rank", "1"]],
            [["name", "News"], ["posts__published", "true"], ["ordering", "-slug"]],
        ],
        "users": [
            [["posts__rating", "5"], ["posts__rank", "1"]],
            [["posts__rating", "5"], ["posts__category", "SOC"]],
            [["is_staff", "true"], ["profile__bio__isnull", "false"]],
            [["exclude__posts__published", "false"], ["last_login__isnull", "false"]],
            [["posts__published", "true"], ["ordering", "-last_login"]],
        ],
        "profiles": [
            [["user__is_staff", "true"], ["occupation__isnull", "false"]],
            [["exclude__bio__contains", "a"], ["exclude__occupation__iexact", "engineer"]],
        ],
    }
    for query in posts:
        yield "posts", query
    for resource, queries in others.items():
        for query in queries:
            yield resource, query


def exclusion_cases():
    """exclude__ of every kind of lookup on a list's own columns, those that may be NULL above all."""
    queries = {
        "posts": [
            *(("title__" + operator, "alpha") for operator in [*TEXT_OPERATORS, "gt", "gte", "lt", "lte"]),
            ("title__regex", "[a-z]"),
            ("title__iregex", "[a-z]"),
            ("title__isnull", "true"),
            ("content", ""),
            ("slug__contains", "_"),
            ("category", "SOC"),
            ("category__in", "SOC,EDU"),
            ("rating__gt", "2"),
            ("rating__lte", "2"),
            ("published_at__gt", "2024-06-01T00:00:00Z"),
            ("published_at__lt", "2024-06-01T00:00:00Z"),
        ],
        "profiles": [
            *(("bio__" + operator, "a") for operator in [*TEXT_OPERATORS, "gt", "lt"]),
            ("bio__regex", "."),
            ("bio__iregex", "CAF"),
            ("bio__in", ""),
            ("bio__in", '"a_b and a\\b, quoted: ""x"""'),
            ("bio__range", "a,l"),
            ("bio__isnull", "true"),
            ("bio__isnull", "false"),
            ("occupation", "engineer"),
            ("occupation__iexact", "engineer"),
            ("phone__startswith", "+"),
        ],
        "users": [
            ("last_login", "2024-11-03T05:30:00Z"),
            ("last_login__in", "2024-11-03T05:30:00Z,2020-12-31T12:00:00Z"),
            ("last_login__range", "2024-01-01T00:00:00Z,2025-01-01T00:00:00Z"),
            ("last_login__isnull", "true"),
            ("username__icontains", "o"),
            ("is_staff", "true"),
        ],
        "comments": [("alias__iexact", "ana"), ("content__contains", "\n"), ("created_at", "2024-05-05T09:30:00Z")],
        "labels": [("name", "News"), ("slug__in", "ai,tech"), ("name__icontains", "ss")],
    }
    for resource, pairs in queries.items():
        for name, text in pairs:
            yield resource, [[f"exclude__{name}", text]]


def ordering_cases():
    columns = {
        "posts": "id title slug content category rating rank published published_at created_at updated_at"
        " writer__username writer__last_login editor__username editor__email_verified_at",
        "labels": "id name slug created_at",
        "comments": "id alias content created_at updated_at user__username user__last_login post__title post__rating"
        " post__published_at post__writer__username",
        "users": "id username email is_active is_staff email_verified_at last_login created_at"
        " profile__display_name profile__bio",
        "profiles": "username display_name bio occupation phone created_at updated_at user__created_at"
        " user__last_login",
    }
    several = {
        "posts": [
            "-rating,title",
            "rating,-rank",
            "published,-published_at,title",
            "-published_at,id",
            "category,-rating,rank,title",
            "editor__username,-writer__username",
            "-editor__username,-created_at",
            "rating,-id",
            "-id,rating",
        ],
        "labels": ["name,-slug", "-name,slug"],
        "comments": ["post__title,-created_at", "-post__writer__username,user__username", "-alias,content"],
        "users": ["-is_staff,username", "last_login,-email", "-last_login,-username"],
        "profiles": ["occupation,-display_name", "-bio,phone"],
    }
    for resource, names in columns.items():
        yield resource, []
        for name in names.split():
            yield resource, [["ordering", name]]
            yield resource, [["ordering", f"-{name}"]]
    for resource, orderings in several.items():
        for ordering in orderings:
            yield resource, [["ordering", ordering]]


def moment(text):
    return datetime.fromisoformat(text + "+00:00")


def no(model, *conditions):
    """Rows but those that filter() finds. Django's ~Q() of several conditions over one to-many relation takes each by
    itself, and in a filter() that has joined the relation already it looks at the joined row alone."""
    return ~among(model.objects.filter(*conditions))


def with_all(*slugs):
    return among(having_all(Post.objects.all(), "posts", "labels__all", ",".join(slugs)))


def expression_cases():
    """Each filter= with the same in Django's terms."""
    label, reason = "post_labels__label__slug", "post_labels__reason"
    posts = [
        ("rating:3", Q(rating=3)),
        ("rating__in:1,2", Q(rating__in=[1, 2])),
        ('rating__in:["1","2"]', Q(rating__in=[1, 2])),
        ("rating__range:2,3", Q(rating__range=(2, 3))),
        ("rating__in:[]", Q(rating__in=[])),
        ("not rating__in:[]", ~Q(rating__in=[])),
        ("title:alpha", Q(title="alpha")),
        ('title:"Alpha Beta"', Q(title="Alpha Beta")),
        (r'title:"back\\slash"', Q(title="back\\slash")),
        (r'title:"say \"hi\", \"bye\""', Q(title='say "hi", "bye"')),
        (r'title__contains:"\\"', Q(title__contains="\\")),
        (
            r'title__in:["a,b","say \"hi\", \"bye\"","back\\slash"]',
            Q(title__in=["a,b", 'say "hi", "bye"', "back\\slash"]),
        ),
        ('title:"a,b"', Q(title="a,b")),
        ('title__contains:"("', Q(title__contains="(")),
        ('title__icontains:" and "', Q(title__icontains=" and ")),
        ('title__icontains:"not"', Q(title__icontains="not")),
        ('title__contains:"%"', Q(title__contains="%")),
        ('title__iexact:"STRASSE"', Q(title__iexact="STRASSE")),
        ('title__regex:"^[a-z]+$"', Q(title__regex="^[a-z]+$")),
        ('content:""', Q(content="")),
        ("published:true", Q(published=True)),
        ("published_at__isnull:true", Q(published_at__isnull=True)),
        ("created_at__gte:2024-11-03T05:30:00Z", Q(created_at__gte=moment("2024-11-03T05:30:00"))),
        ('created_at:"2024-05-05T09:30:00.123456Z"', Q(created_at=moment("2024-05-05T09:30:00.123456"))),
        ("created_at__date:2024-02-29", Q(created_at__date=date(2024, 2, 29))),
        ("created_at__time__lt:01:00:00", Q(created_at__time__lt=time(1))),
        ("rating:1 or rating:2 and rank:3", Q(rating=1) | Q(rating=2) & Q(rank=3)),
        ("rating:2 and rank:3 or rating:1", Q(rating=2) & Q(rank=3) | Q(rating=1)),
        ("(rating:1 or rating:2) and rank:3", (Q(rating=1) | Q(rating=2)) & Q(rank=3)),
        ("not rating:1 and rank:3", ~Q(rating=1) & Q(rank=3)),
        ("not (rating:1 and rank:3)", ~Q(rating=1, rank=3)),
        ("not (rating:1 or rank:3)", ~(Q(rating=1) | Q(rank=3))),
        ("not (not (rating:1))", ~~Q(rating=1)),
        ("not rating:1 or not rank:3", ~Q(rating=1) | ~Q(rank=3)),
        ("((rating:1))", Q(rating=1)),
        ("not published_at__gt:2024-06-01T00:00:00Z", ~Q(published_at__gt=moment("2024-06-01T00:00:00"))),
        (
            "not (published_at__gt:2024-06-01T00:00:00Z and rating__gte:2)",
            ~Q(published_at__gt=moment("2024-06-01T00:00:00"), rating__gte=2),
        ),
        (
            "not (not (published_at__gt:2024-06-01T00:00:00Z) and rating__gte:2)",
            ~(~Q(published_at__gt=moment("2024-06-01T00:00:00")) & Q(rating__gte=2)),
        ),
        ('title__istartswith:"a" or title__istartswith:"s"', Q(title__istartswith="a") | Q(title__istartswith="s")),
        (
            'title__istartswith:"a" and not (rating__lt:3 or labels__slug:"Old")',
            Q(title__istartswith="a") & ~(Q(rating__lt=3) | Q(**{label: "Old"})),
        ),
        ("writer:ana", Q(writer__username="ana")),
        ('writer__username__iexact:"BOB" and rating__gte:3', Q(writer__username__iexact="BOB", rating__gte=3)),
        ("writer__in:ana,Bob", Q(writer__username__in=["ana", "Bob"])),
        ("not editor:ana", ~Q(editor__username="ana")),
        ("editor:ana or editor__isnull:true", Q(editor__username="ana") | Q(editor__isnull=True)),
        ("not (editor:ana or editor__isnull:true)", ~(Q(editor__username="ana") | Q(editor__isnull=True))),
        (
            "not editor__is_staff:true and not writer__is_staff:true",
            ~Q(editor__is_staff=True) & ~Q(writer__is_staff=True),
        ),
        ("writer:ana or editor:ana", Q(writer__username="ana") | Q(editor__username="ana")),
        ("labels:ai", Q(**{label: "ai"})),
        ("labels:ai and labels:Old", Q(**{label: "ai"}) & Q(**{label: "Old"})),
        ("labels:ai or labels:Old", Q(**{label: "ai"}) | Q(**{label: "Old"})),
        ("not labels:ai", ~Q(**{label: "ai"})),
        ("not (labels:ai or labels:Old)", ~(Q(**{label: "ai"}) | Q(**{label: "Old"}))),
        ("not labels:ai and not labels:Old", ~Q(**{label: "ai"}) & ~Q(**{label: "Old"})),
        ("not labels:ai or not labels:Old", ~Q(**{label: "ai"}) | ~Q(**{label: "Old"})),
        ("labels:ai and not labels:Old", Q(**{label: "ai"}) & no(Post, Q(**{label: "Old"}))),
        (
            "labels:ai and not labels__reason__isnull:true",
            Q(**{label: "ai"}) & no(Post, Q(**{reason + "__isnull": True})),
        ),
        ('labels__slug:"ai" and labels__reason:"because"', Q(**{label: "ai", reason: "because"})),
        ('not (labels__slug:"ai" and labels__reason:"because")', no(Post, Q(**{label: "ai", reason: "because"}))),
        (
            "not (labels__slug:ai and labels__reason__isnull:true)",
            no(Post, Q(**{label: "ai", reason + "__isnull": True})),
        ),
        ("not (labels:ai and labels:Old)", no(Post, Q(**{label: "ai"}) & Q(**{label: "Old"}))),
        ("not (labels:ai and rating__gte:3)", no(Post, Q(**{label: "ai", "rating__gte": 3}))),
        (
            'labels__slug:"ai" and (labels__reason:"because" or rating:5)',
            Q(**{label: "ai"}) & (Q(**{reason: "because"}) | Q(rating=5)),
        ),
        (
            "labels__slug:ai and labels__reason__isnull:true or labels__slug:Old and labels__reason__isnull:false",
            Q(**{label: "ai", reason + "__isnull": True}) | Q(**{label: "Old", reason + "__isnull": False}),
        ),
        (
            "(labels__slug:ai or labels__slug:Old) and labels__reason__isnull:false",
            (Q(**{label: "ai"}) | Q(**{label: "Old"})) & Q(**{reason + "__isnull": False}),
        ),
        ("labels__all:ai,Old", with_all("ai", "Old")),
        ('labels__all:["ai","Old"] and rating__gte:3', with_all("ai", "Old") & Q(rating__gte=3)),
        ("not labels__all:ai,Old", ~with_all("ai", "Old")),
        ("labels__isnull:true or comments__isnull:false", Q(post_labels__isnull=True) | Q(comments__isnull=False)),
        ("not labels__isnull:true", ~Q(post_labels__isnull=True)),
        (
            "not (labels__isnull:true or comments__isnull:true)",
            ~(Q(post_labels__isnull=True) | Q(comments__isnull=True)),
        ),
        ("comments__user:ana and comments__alias:Ana", Q(comments__user__username="ana", comments__alias="Ana")),
        (
            "not (comments__user:ana and comments__alias__iexact:ana)",
            no(Post, Q(comments__user__username="ana", comments__alias__iexact="ana")),
        ),
        (
            "comments__user:ana and not (comments__user:Bob)",
            Q(comments__user__username="ana") & no(Post, Q(comments__user__username="Bob")),
        ),
        ("comments__user:ana or labels:ai", Q(comments__user__username="ana") | Q(**{label: "ai"})),
        (
            "comments__content__icontains:a and labels__reason__icontains:a",
            Q(comments__content__icontains="a", post_labels__reason__icontains="a"),
        ),
        ("not (comments__user:ana and labels:ai)", no(Post, Q(comments__user__username="ana", **{label: "ai"}))),
        ("not (not labels:ai)", ~~Q(**{label: "ai"})),
        ("not (rating__gte:3 and not labels:ai)", ~(Q(rating__gte=3) & ~Q(**{label: "ai"}))),
        ("not (labels:ai and not labels:Old)", no(Post, Q(**{label: "ai"}) & no(Post, Q(**{label: "Old"})))),
        ("labels__reason__isnull:true", Q(**{reason + "__isnull": True})),
        ("not labels__reason__isnull:true", ~Q(**{reason + "__isnull": True})),
        ("not (not (labels__reason__isnull:true))", ~~Q(**{reason + "__isnull": True})),
        ("labels__reason__isnull:true or rating:5", Q(**{reason + "__isnull": True}) | Q(rating=5)),
        ("labels__reason__isnull:true or labels:ai", Q(**{reason + "__isnull": True}) | Q(**{label: "ai"})),
        (
            "editor__last_login__isnull:true and editor__is_staff:false",
            Q(editor__last_login__isnull=True, editor__is_staff=False),
        ),
        (
            "editor__last_login__isnull:true and not editor__is_staff:true",
            Q(editor__last_login__isnull=True) & ~Q(editor__is_staff=True),
        ),
        ("not (editor__last_login__isnull:true)", ~Q(editor__last_login__isnull=True)),
        ("writer__created_at__year:2024", Q(writer__created_at__year=2024)),
        ("editor__last_login__week__gte:44", Q(editor__last_login__week__gte=44)),
        ("not editor__last_login__year:2024", ~Q(editor__last_login__year=2024)),
        ("comments__created_at__hour__gte:12", Q(comments__created_at__hour__gte=12)),
        (
            "comments__created_at__hour__gte:12 and comments__user:ana",
            Q(comments__created_at__hour__gte=12, comments__user__username="ana"),
        ),
        ("labels__labeled_at__iso_week_day__in:6,7", Q(post_labels__labeled_at__iso_week_day__in=[6, 7])),
        (
            "labels__slug:ai and labels__labeled_at__year:2024",
            Q(**{label: "ai", "post_labels__labeled_at__year": 2024}),
        ),
        ("labels__created_at__date:2024-12-31", Q(post_labels__label__created_at__date=date(2024, 12, 31))),
    ]
    others = {
        "comments": [
            ("post:thumbs or post__isnull:true", Q(post__slug="thumbs") | Q(post__isnull=True)),
            ("not post__writer:ana", ~Q(post__writer__username="ana")),
            ("not (post__rating__gte:3 and user:Bob)", ~Q(post__rating__gte=3, user__username="Bob")),
            ("not post__labels:ai", ~Q(**{"post__" + label: "ai"})),
            (
                "not (post__labels:ai and post__labels__reason__isnull:false)",
                no(Comment, Q(**{"post__" + label: "ai", "post__" + reason + "__isnull": False})),
            ),
            ("post__created_at__year__lt:2024", Q(post__created_at__year__lt=2024)),
            ("post__writer__created_at__date:2024-01-01", Q(post__writer__created_at__date=date(2024, 1, 1))),
            (
                'content__iregex:"^nice" or content__contains:"\\""',
                Q(content__iregex="^nice") | Q(content__contains='"'),
            ),
        ],
        "labels": [
            ("posts__rating:5 and posts__rank:5", Q(post_labels__post__rating=5, post_labels__post__rank=5)),
            (
                "not (posts__rating:5 and posts__rank:5)",
                no(Label, Q(post_labels__post__rating=5, post_labels__post__rank=5)),
            ),
            ("posts__isnull:true or name:News", Q(post_labels__isnull=True) | Q(name="News")),
            ("posts__published_at__month:12", Q(post_labels__post__published_at__month=12)),
        ],
        "users": [
            ("not posts__published:false", ~Q(posts__published=False)),
            ("not (posts__rating:5 and posts__rank:1)", no(User, Q(posts__rating=5, posts__rank=1))),
            (
                'profile__occupation__iexact:"engineer" and not last_login__isnull:true',
                Q(profile__occupation__iexact="engineer") & ~Q(last_login__isnull=True),
            ),
            ("posts__created_at__quarter:4 and is_staff:true", Q(posts__created_at__quarter=4, is_staff=True)),
        ],
        "profiles": [
            ("not bio__icontains:a", ~Q(bio__icontains="a")),
            ("user__is_staff:true or not (phone__isnull:true)", Q(user__is_staff=True) | ~Q(phone__isnull=True)),
            ("user__last_login__year:2024", Q(user__last_login__year=2024)),
        ],
    }
    for text, expression in posts:
        yield "posts", [["filter", text]], expression
    for resource, pairs in others.items():
        for text, expression in pairs:
            yield resource, [["filter", text]], expression
    for text, expression, *parameters in [
        ("created_at__date:2024-11-03", Q(created_at__date=date(2024, 11, 3)), ["tz", "America/New_York"]),
        (
            "comments__created_at__hour__lt:6 or created_at__hour__lt:6",
            Q(comments__created_at__hour__lt=6) | Q(created_at__hour__lt=6),
            ["tz", "Asia/Kolkata"],
        ),
        ("writer__created_at__year:2023", Q(writer__created_at__year=2023), ["tz", "America/New_York"]),
        ("rating:1 or rating:5", Q(rating=1) | Q(rating=5), ["rank__gte", "3"], ["ordering", "-rating,title"]),
        ("not labels:ai", ~Q(**{label: "ai"}), ["exclude__labels", "Old"], ["writer__in", "ana,Bob"]),
    ]:
        yield "posts", [["filter", text], *parameters], expression


def load(cursor):
    """Fills Plaza's tables with the fixture, and gives them what Django and the comparison need."""
    fixture = json.loads((HERE / "fixture.json").read_text())
    # The triggers would set updated_at to now.
    cursor.execute("ALTER TABLE posts DISABLE TRIGGER posts_touch")
    cursor.execute("ALTER TABLE profiles DISABLE TRIGGER profiles_touch")
    for table in ["users", "posts", "labels", "post_labels", "comments"]:
        columns = ", ".join(fixture[table][0])
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{table}, %s)",
            [json.dumps(fixture[table])],
        )
    # A trigger has made the profiles, and another has moved the updated_at of the posts that got labels.
    columns = [column for column in fixture["profiles"][0] if column != "user_id"]
    assignments = ", ".join(f"{column} = made.{column}" for column in columns)
    cursor.execute(
        f"UPDATE profiles SET {assignments} FROM json_populate_recordset(NULL::profiles, %s) AS made"
        " WHERE profiles.user_id = made.user_id",
        [json.dumps(fixture["profiles"])],
    )
    cursor.execute(
        "UPDATE posts SET updated_at = made.updated_at FROM json_populate_recordset(NULL::posts, %s) AS made"
        " WHERE posts.id = made.id",
        [json.dumps(fixture["posts"])],
    )
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    # All text compares under ICU's root collation. A trigger on the column forbids to change its type.
    cursor.execute("DROP TRIGGER posts_keep_slug ON posts")
    cursor.execute('ALTER TABLE posts ALTER COLUMN slug TYPE text COLLATE "und-x-icu"')
    cursor.execute('ALTER TABLE labels ALTER COLUMN slug TYPE text COLLATE "und-x-icu"')
    # A through model in Django has a key of one column.
    cursor.execute("ALTER TABLE post_labels ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY")


def make():
    plain = itertools.chain(
        text_cases(),
        number_cases(),
        time_cases(),
        relation_cases(),
        combined_cases(),
        exclusion_cases(),
        ordering_cases(),
    )
    every = itertools.chain(((resource, query, None) for resource, query in plain), expression_cases())
    answers = {}
    for resource, query, expression in every:
        # Some lookups are asked for twice.
        answers.setdefault(json.dumps([resource, query]), (resource, query, expression))
    return [answer(*case) for case in answers.values()]


def main():
    with transaction.atomic():
        with connection.cursor() as cursor:
            load(cursor)
        answers = make()
        # The database stays as it was.
        transaction.set_rollback(True)
    # Escaped, and so safe from whatever normalizes text.
    lines = ",\n".join("  " + json.dumps(case) for case in answers)
    (HERE / "expected.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
