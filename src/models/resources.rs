//! What clients can ask of every list: its fields, its relations, and which caller may read what. To let clients query a
//! field, add a line here. The SQL, the error responses, the OpenAPI document and `docs/fields.md` are derived from it.

use super::choices::CATEGORY_VALUES;
use super::names::fold;
use crate::lookups::table::{Field, Grant, Relation, Resource, Rights, Through};

/// All resources, for the documentation.
pub static RESOURCES: [&Resource; 10] =
    [&POSTS, &LABELS, &POST_LABELS, &COMMENTS, &USERS, &PROFILES, &SESSIONS, &EVENTS, &WEBHOOKS, &DELIVERIES];

/// Posts.
pub static POSTS: Resource = Resource {
    name: "posts",
    table: "posts",
    id: "id",
    key: Field::ascii("slug"),
    fields: &[
        Field::integer("id"),
        Field::text("title").with_trigrams(),
        Field::ascii("slug"),
        Field::text("content").long(),
        Field::choice("category", &CATEGORY_VALUES),
        Field::integer("rating"),
        Field::integer("rank"),
        Field::boolean("published"),
        Field::time("published_at").nullable(),
        Field::time("created_at"),
        Field::time("updated_at"),
    ],
    relations: &[
        &WRITER_OF_POST,
        &Relation::one("editor", &USERS, "editor_id", "id"),
        &LABELS_OF_POST,
        &Relation::many("comments", &COMMENTS, "post_id").then(&["user"]),
    ],
    readable: Rights::Where(&[
        Grant::Flag("published"),
        Grant::Named("writer_id"),
        Grant::Named("editor_id"),
    ]),
    ordering: "-created_at",
    document: Some("document"),
    offered: &[
        "writer",
        "writer__in",
        "editor",
        "editor__isnull",
        "labels",
        "labels__in",
        "labels__all",
        "labels__isnull",
        "comments__user",
        "comments__isnull",
    ],
};

/// The writer of a post.
pub static WRITER_OF_POST: Relation = Relation::one("writer", &USERS, "writer_id", "id");

/// The labels of a post.
pub static LABELS_OF_POST: Relation = Relation::through("labels", &LABELS, &LABELINGS);

/// The users who may change a post.
pub static POST_CHANGEABLE: Rights = Rights::Where(&[Grant::Named("writer_id"), Grant::Named("editor_id")]);

/// The users who may delete a post.
pub static POST_DELETABLE: Rights = Rights::Where(&[Grant::Named("writer_id")]);

/// The pairs of posts and labels.
static LABELINGS: Through = Through {
    table: "post_labels",
    near: "post_id",
    far: "label_id",
    fields: &[Field::text("reason").nullable(), Field::time("labeled_at")],
    repeats: &[("created_at", "post_created_at")],
};

/// The pairs of labels and posts, seen from the label.
static LABELED: Through =
    Through { table: "post_labels", near: "label_id", far: "post_id", fields: &[], repeats: &[] };

/// Labels.
pub static LABELS: Resource = Resource {
    name: "labels",
    table: "labels",
    id: "id",
    key: Field::ascii("slug"),
    fields: &[Field::integer("id"), Field::text("name"), Field::ascii("slug"), Field::time("created_at")],
    relations: &[&Relation::through("posts", &POSTS, &LABELED)],
    readable: Rights::Everyone,
    ordering: "name",
    document: None,
    offered: &["posts", "posts__in", "posts__isnull", "posts__published"],
};

/// The post that has a label.
pub static POST_OF_LABELING: Relation = Relation::one("post", &POSTS, "post_id", "id");
static LABEL_OF_LABELING: Relation = Relation::certain("label", &LABELS, "label_id", "id");

/// The labels of a post. A list contains the labels of one post only, so the label identifies each row.
pub static POST_LABELS: Resource = Resource {
    name: "a post's labels",
    table: "post_labels",
    id: "label_id",
    key: Field::ascii("slug").via(&LABEL_OF_LABELING),
    fields: &[
        Field::text("name").via(&LABEL_OF_LABELING),
        Field::ascii("slug").via(&LABEL_OF_LABELING),
        Field::text("reason").nullable(),
        Field::time("labeled_at"),
    ],
    relations: &[],
    readable: Rights::Where(&[Grant::With(&POST_OF_LABELING)]),
    ordering: "name",
    document: None,
    offered: &[],
};

/// Comments.
pub static COMMENTS: Resource = Resource {
    name: "comments",
    table: "comments",
    id: "id",
    key: Field::integer("id"),
    fields: &[
        Field::integer("id"),
        Field::text("alias"),
        Field::text("content").long(),
        Field::time("created_at"),
        Field::time("updated_at"),
    ],
    relations: &[&USER_OF_COMMENT, &POST_OF_COMMENT],
    readable: Rights::Where(&[Grant::Named("user_id"), Grant::With(&POST_OF_COMMENT)]),
    ordering: "created_at",
    document: None,
    offered: &["user", "user__in", "post", "post__in", "post__isnull", "post__writer", "post__labels"],
};

/// The post that a comment is about.
pub static POST_OF_COMMENT: Relation =
    Relation::one("post", &POSTS, "post_id", "id").then(&["writer", "labels"]);

/// The user who wrote a comment.
pub static USER_OF_COMMENT: Relation = Relation::one("user", &USERS, "user_id", "id");

/// Users.
pub static USERS: Resource = Resource {
    name: "users",
    table: "users",
    id: "id",
    key: Field::username("username").in_column("username_key").folded(fold),
    fields: &[
        Field::integer("id"),
        Field::username("username"),
        Field::time("created_at"),
        Field::text("email").private(),
        Field::time("email_verified_at").nullable().private(),
        Field::boolean("is_active").private(),
        Field::boolean("is_staff").private(),
        Field::time("last_login").nullable().private(),
    ],
    relations: &[
        &Relation::certain("profile", &PROFILES, "id", "user_id"),
        &Relation::many("posts", &POSTS, "writer_id"),
    ],
    readable: Rights::Where(&[Grant::Flag("is_active")]),
    ordering: "username",
    document: None,
    offered: &["posts", "posts__isnull", "posts__published", "profile__display_name__icontains"],
};

static USER_OF_PROFILE: Relation = Relation::certain("user", &USERS, "user_id", "id");

/// Profiles.
pub static PROFILES: Resource = Resource {
    name: "profiles",
    table: "profiles",
    id: "user_id",
    key: Field::username("username").in_column("username_key").folded(fold).via(&USER_OF_PROFILE),
    fields: &[
        Field::username("username").via(&USER_OF_PROFILE),
        Field::text("display_name"),
        Field::text("bio").nullable().long(),
        Field::text("occupation").nullable(),
        Field::text("phone").nullable().private(),
        Field::time("created_at"),
        Field::time("updated_at"),
    ],
    relations: &[&USER_OF_PROFILE],
    readable: Rights::Where(&[Grant::With(&USER_OF_PROFILE)]),
    ordering: "username",
    document: None,
    offered: &["user", "user__in"],
};

/// Sessions. Only their user may read them.
pub static SESSIONS: Resource = Resource {
    name: "sessions",
    table: "sessions",
    id: "id",
    key: Field::integer("id"),
    fields: &[
        Field::integer("id"),
        Field::text("user_agent"),
        Field::ascii("ip"),
        Field::time("created_at"),
        Field::time("last_used_at"),
    ],
    relations: &[],
    readable: Rights::Own { user: "user_id", until: "expires_at" },
    ordering: "-created_at",
    document: None,
    offered: &[],
};

/// Events that have been published.
pub static EVENTS: Resource = Resource {
    name: "events",
    table: "events_with_names",
    id: "id",
    key: Field::integer("id"),
    fields: &[
        Field::integer("id"),
        Field::ascii("type"),
        Field::time("created_at"),
        Field::ascii("resource_type"),
        Field::integer("resource_id").nullable(),
    ],
    relations: &[&Relation::one("actor", &USERS, "actor_id", "id")],
    readable: Rights::Where(&[Grant::Named("author_id"), Grant::Named("host_id")]),
    ordering: "-id",
    document: None,
    offered: &["actor", "actor__isnull"],
};

/// Webhooks. Only staff may read them.
pub static WEBHOOKS: Resource = Resource {
    name: "webhooks",
    table: "webhooks",
    id: "id",
    key: Field::integer("id"),
    fields: &[
        Field::integer("id"),
        Field::ascii("url"),
        Field::time("failing_since").nullable(),
        Field::time("created_at"),
        Field::time("updated_at"),
    ],
    relations: &[],
    readable: Rights::Where(&[]),
    ordering: "-created_at",
    document: None,
    offered: &[],
};

/// Deliveries to webhooks.
pub static DELIVERIES: Resource = Resource {
    name: "deliveries",
    table: "deliveries",
    id: "id",
    key: Field::integer("id"),
    fields: &[
        Field::integer("id"),
        Field::choice("status", &["pending", "delivered", "failed"]),
        Field::integer("attempts"),
        Field::integer("response_status").nullable(),
        Field::time("created_at"),
        Field::time("attempted_at").nullable(),
        Field::time("delivered_at").nullable(),
    ],
    relations: &[&Relation::one("event", &EVENTS, "event_id", "id")],
    readable: Rights::Where(&[]),
    ordering: "-id",
    document: None,
    offered: &["event", "event__type"],
};

/// The webhook to which a delivery is made.
pub static WEBHOOK_OF_DELIVERY: Relation = Relation::one("webhook", &WEBHOOKS, "webhook_id", "id");
