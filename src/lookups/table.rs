//! What can be asked of a resource: one table of fields and relations each, from which the SQL, the refusals, the document and the
//! tables of the documentation all follow.

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// The user's id and name; nothing for somebody without a token.
    pub user: Option<(i64, String)>,
    /// Whether everything may be read.
    pub is_staff: bool,
}

/// A resource: a table, its columns and what it is related to.
#[derive(Debug)]
pub struct Resource {
    /// What people call it, in the plural.
    pub name: &'static str,
    /// Its table.
    pub table: &'static str,
    /// The column that ends every ordering.
    pub id: &'static str,
    /// What a relation to it means when no field of it is named.
    pub key: Field,
    /// What can be compared and sorted by.
    pub fields: &'static [Field],
    /// What can be gone to from it.
    pub relations: &'static [&'static Relation],
    /// Whose rows may be read.
    pub readable: Rights,
    /// The order when none is asked for, as `ordering` has it.
    pub ordering: &'static str,
    /// The `tsvector` that `search` looks into.
    pub document: Option<&'static str>,
    /// Names over relations that the OpenAPI document tells of, beside the fields.
    pub offered: &'static [&'static str],
}

/// A column, or one of a row that belongs to each row.
#[derive(Debug)]
pub struct Field {
    /// What clients call it.
    pub name: &'static str,
    /// The column.
    pub column: &'static str,
    /// What is in it.
    pub kind: Kind,
    /// Whether it may hold nothing.
    pub is_nullable: bool,
    /// Whether only staff may ask.
    pub is_private: bool,
    /// Where the column is, when not in the resource's own table: at the end of this relation to one row.
    pub via: Option<&'static Relation>,
    /// What a value is compared as.
    pub fold: Option<fn(&str) -> String>,
    /// What its text is like.
    pub texture: Texture,
}

/// What the text of a field is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texture {
    /// Short, or no text.
    Plain,
    /// Short, and an index knows its trigrams in upper case.
    Trigrams,
    /// Long: its beginning sorts it, since a cursor holds what sorts.
    Long,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text under ICU's root collation.
    Text,
    /// ASCII text that the table keeps under another collation.
    Ascii,
    /// A user's name: text, and `me` for the caller's.
    Username,
    /// A whole number.
    Integer,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A moment.
    Time,
    /// Yes or no.
    Boolean,
}

/// The way from a row to those of another resource.
#[derive(Debug)]
pub struct Relation {
    /// What clients call it.
    pub name: &'static str,
    /// Where it leads.
    pub target: &'static Resource,
    /// Which rows belong together.
    pub join: Join,
    /// Relations of the target that one may go on with.
    pub then: &'static [&'static str],
}

/// Which rows belong together.
#[derive(Debug)]
pub enum Join {
    /// At most one, where these two columns are equal.
    One {
        /// The column of the row that one comes from.
        near: &'static str,
        /// The column of the other.
        far: &'static str,
        /// Whether everybody who may read the near row may read a far one: then sorting by it need not think of its absence.
        is_certain: bool,
    },
    /// Any number, where these two columns are equal.
    Many {
        /// The column of the row that one comes from.
        near: &'static str,
        /// The column of the others.
        far: &'static str,
    },
    /// Any number, by a table of pairs.
    Through(&'static Through),
}

/// A table of pairs, which may say more of each.
#[derive(Debug)]
pub struct Through {
    /// The table.
    pub table: &'static str,
    /// Its column for the `id` of the row that one comes from.
    pub near: &'static str,
    /// Its column for the `id` of the others.
    pub far: &'static str,
    /// What else it knows of a pair; named like a field of the target.
    pub fields: &'static [Field],
    /// Columns of the near row that it repeats, for the sake of an index: that row's and its own.
    pub repeats: &'static [(&'static str, &'static str)],
}

/// Who may read rows, or change them.
#[derive(Debug)]
pub enum Rights {
    /// Everyone.
    Everyone,
    /// Staff, and those to whom one of these applies.
    Where(&'static [Grant]),
    /// The user of this column and nobody else, until the time of that one.
    Own {
        /// The column that names the user.
        user: &'static str,
        /// The column that says when it ends.
        until: &'static str,
    },
}

/// What gives somebody a right to a row.
#[derive(Debug)]
pub enum Grant {
    /// The row says so to all, by this column.
    Flag(&'static str),
    /// The row names the user in this column.
    Named(&'static str),
    /// The user may read the row at the end of this relation.
    With(&'static Relation),
}

impl Field {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            column: name,
            kind,
            is_nullable: false,
            is_private: false,
            via: None,
            fold: None,
            texture: Texture::Plain,
        }
    }

    /// Text under ICU's root collation.
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }

    /// ASCII text under another collation.
    pub const fn ascii(name: &'static str) -> Self {
        Self::new(name, Kind::Ascii)
    }

    /// A user's name.
    pub const fn username(name: &'static str) -> Self {
        Self::new(name, Kind::Username)
    }

    /// A whole number.
    pub const fn integer(name: &'static str) -> Self {
        Self::new(name, Kind::Integer)
    }

    /// One of these words.
    pub const fn choice(name: &'static str, values: &'static [&'static str]) -> Self {
        Self::new(name, Kind::Choice(values))
    }

    /// A moment.
    pub const fn time(name: &'static str) -> Self {
        Self::new(name, Kind::Time)
    }

    /// Yes or no.
    pub const fn boolean(name: &'static str) -> Self {
        Self::new(name, Kind::Boolean)
    }

    /// The same where the column may hold nothing.
    #[must_use]
    pub const fn nullable(self) -> Self {
        Self { is_nullable: true, ..self }
    }

    /// The same for staff only.
    #[must_use]
    pub const fn private(self) -> Self {
        Self { is_private: true, ..self }
    }

    /// The same where an index knows the column's trigrams in upper case.
    #[must_use]
    pub const fn with_trigrams(self) -> Self {
        Self { texture: Texture::Trigrams, ..self }
    }

    /// The same where the text may be long.
    #[must_use]
    pub const fn long(self) -> Self {
        Self { texture: Texture::Long, ..self }
    }

    /// The same in a column of another name.
    #[must_use]
    pub const fn in_column(self, column: &'static str) -> Self {
        Self { column, ..self }
    }

    /// The same in a row that belongs to each row.
    #[must_use]
    pub const fn via(self, relation: &'static Relation) -> Self {
        Self { via: Some(relation), ..self }
    }

    /// The same where values are compared as this makes of them.
    #[must_use]
    pub const fn folded(self, fold: fn(&str) -> String) -> Self {
        Self { fold: Some(fold), ..self }
    }
}

impl Relation {
    /// To at most one row.
    pub const fn one(
        name: &'static str,
        target: &'static Resource,
        near: &'static str,
        far: &'static str,
    ) -> Self {
        Self { name, target, join: Join::One { near, far, is_certain: false }, then: &[] }
    }

    /// To one row, which everybody who may read the near one may read, too.
    pub const fn certain(
        name: &'static str,
        target: &'static Resource,
        near: &'static str,
        far: &'static str,
    ) -> Self {
        Self { name, target, join: Join::One { near, far, is_certain: true }, then: &[] }
    }

    /// To any number of rows.
    pub const fn many(name: &'static str, target: &'static Resource, far: &'static str) -> Self {
        Self { name, target, join: Join::Many { near: "id", far }, then: &[] }
    }

    /// To any number of rows, by pairs.
    pub const fn through(name: &'static str, target: &'static Resource, through: &'static Through) -> Self {
        Self { name, target, join: Join::Through(through), then: &[] }
    }

    /// The same where one may go on from there.
    #[must_use]
    pub const fn then(self, then: &'static [&'static str]) -> Self {
        Self { then, ..self }
    }

    /// Whether it leads to one row at most.
    pub fn is_to_one(&self) -> bool {
        matches!(self.join, Join::One { .. })
    }

    /// Whether everybody who may read the near row may read a far one.
    pub fn is_certain(&self) -> bool {
        matches!(self.join, Join::One { is_certain: true, .. })
    }

    /// What the table of pairs knows of each.
    pub fn link_fields(&self) -> &'static [Field] {
        match self.join {
            Join::Through(through) => through.fields,
            Join::One { .. } | Join::Many { .. } => &[],
        }
    }

    /// The relations that one may go on with.
    pub fn onward(&self) -> impl Iterator<Item = &'static Relation> {
        self.target.relations.iter().copied().filter(|relation| self.then.contains(&relation.name))
    }
}

impl Resource {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}
