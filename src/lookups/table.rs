//! What can be asked of a resource: one table of its fields and relations, from which the SQL, the error responses, the OpenAPI
//! document and the tables of the documentation all follow.

/// The reader: who makes a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// The user's id and name, or `None` without a token.
    pub user: Option<(i64, String)>,
    /// Whether the reader may read everything.
    pub is_staff: bool,
}

/// A resource: a table, its columns and its relations.
#[derive(Debug)]
pub struct Resource {
    /// The name for people, in the plural.
    pub name: &'static str,
    /// The name of its table.
    pub table: &'static str,
    /// The column that ends every ordering.
    pub id: &'static str,
    /// The field that a relation to it compares if no field is named.
    pub key: Field,
    /// The fields that can be compared and sorted by.
    pub fields: &'static [Field],
    /// The relations that can be followed from it.
    pub relations: &'static [&'static Relation],
    /// Who may read which rows.
    pub readable: Rights,
    /// The default order, in the syntax of `ordering`.
    pub ordering: &'static str,
    /// The `tsvector` column that `search` searches.
    pub document: Option<&'static str>,
    /// Names over relations that the OpenAPI document lists, in addition to the fields.
    pub offered: &'static [&'static str],
}

/// A column, or a column of a row that belongs to each row.
#[derive(Debug)]
pub struct Field {
    /// The name that clients use.
    pub name: &'static str,
    /// The column.
    pub column: &'static str,
    /// What it contains.
    pub kind: Kind,
    /// Whether it can be null.
    pub is_nullable: bool,
    /// Whether only staff may use it.
    pub is_private: bool,
    /// The relation to one row at whose end the column is, if it is not in the resource's own table.
    pub via: Option<&'static Relation>,
    /// The function that converts a value before it is compared.
    pub fold: Option<fn(&str) -> String>,
    /// The properties of its text.
    pub index_hint: IndexHint,
}

/// The properties of a field's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexHint {
    /// Short, or not a text.
    Plain,
    /// Short, with an index of its trigrams in upper case.
    Trigrams,
    /// Long: only its beginning is used for sorting, since a cursor contains what the rows are sorted by.
    Long,
}

/// What a column contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text under ICU's root collation.
    Text,
    /// ASCII text that the table stores under another collation.
    Ascii,
    /// A username: text, and `me` for the caller's.
    Username,
    /// A whole number.
    Integer,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A point in time.
    Time,
    /// True or false.
    Boolean,
}

/// The path from a row to rows of another resource.
#[derive(Debug)]
pub struct Relation {
    /// The name that clients use.
    pub name: &'static str,
    /// The resource of the related rows.
    pub target: &'static Resource,
    /// Which rows belong together.
    pub join: Join,
    /// The names of the target's relations that can be followed from there.
    pub then: &'static [&'static str],
}

/// Which rows belong together.
#[derive(Debug)]
pub enum Join {
    /// At most one row, where these two columns are equal.
    One {
        /// The column of the row at which the relation starts.
        near: &'static str,
        /// The column of the other row.
        far: &'static str,
        /// Whether every reader of the near row may read the far row: then an ordering by it need not consider that it is
        /// missing.
        is_certain: bool,
    },
    /// Any number of rows, where these two columns are equal.
    Many {
        /// The column of the row at which the relation starts.
        near: &'static str,
        /// The column of the other rows.
        far: &'static str,
    },
    /// Any number of rows, through a table of pairs.
    Through(&'static Through),
}

/// A table of pairs, which may contain more about each pair.
#[derive(Debug)]
pub struct Through {
    /// The name of the table.
    pub table: &'static str,
    /// Its column for the `id` of the row at which the relation starts.
    pub near: &'static str,
    /// Its column for the `id` of the other rows.
    pub far: &'static str,
    /// What else it contains about a pair; named like a field of the target.
    pub fields: &'static [Field],
    /// Columns of the near row that it repeats for the sake of an index: the column of that row, and its own.
    pub repeats: &'static [(&'static str, &'static str)],
}

/// Who may read rows, or change them.
#[derive(Debug)]
pub enum Rights {
    /// Every caller.
    Everyone,
    /// Staff, and readers to whom one of these grants applies.
    Where(&'static [Grant]),
    /// Only the user in the first column, until the time in the second.
    Own {
        /// The column that names the user.
        user: &'static str,
        /// The column that contains the end time.
        until: &'static str,
    },
}

/// What gives a reader a right to a row.
#[derive(Debug)]
pub enum Grant {
    /// The row gives it to every caller, by this column.
    Flag(&'static str),
    /// The row names the user in this column.
    Named(&'static str),
    /// The reader may read the row at the end of this relation.
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
            index_hint: IndexHint::Plain,
        }
    }

    /// Create a field of text under ICU's root collation.
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }

    /// Create a field of ASCII text under another collation.
    pub const fn ascii(name: &'static str) -> Self {
        Self::new(name, Kind::Ascii)
    }

    /// Create a field of usernames.
    pub const fn username(name: &'static str) -> Self {
        Self::new(name, Kind::Username)
    }

    /// Create a field of whole numbers.
    pub const fn integer(name: &'static str) -> Self {
        Self::new(name, Kind::Integer)
    }

    /// Create a field that contains one of these words.
    pub const fn choice(name: &'static str, values: &'static [&'static str]) -> Self {
        Self::new(name, Kind::Choice(values))
    }

    /// Create a field of points in time.
    pub const fn time(name: &'static str) -> Self {
        Self::new(name, Kind::Time)
    }

    /// Create a field that is true or false.
    pub const fn boolean(name: &'static str) -> Self {
        Self::new(name, Kind::Boolean)
    }

    /// Declare that the column can be null.
    #[must_use]
    pub const fn nullable(self) -> Self {
        Self { is_nullable: true, ..self }
    }

    /// Declare that only staff may use the field.
    #[must_use]
    pub const fn private(self) -> Self {
        Self { is_private: true, ..self }
    }

    /// Declare that an index has the column's trigrams in upper case.
    #[must_use]
    pub const fn with_trigrams(self) -> Self {
        Self { index_hint: IndexHint::Trigrams, ..self }
    }

    /// Declare that the text may be long.
    #[must_use]
    pub const fn long(self) -> Self {
        Self { index_hint: IndexHint::Long, ..self }
    }

    /// Use a column of another name.
    #[must_use]
    pub const fn in_column(self, column: &'static str) -> Self {
        Self { column, ..self }
    }

    /// Use a column of a row that belongs to each row.
    #[must_use]
    pub const fn via(self, relation: &'static Relation) -> Self {
        Self { via: Some(relation), ..self }
    }

    /// Convert values by this function before they are compared.
    #[must_use]
    pub const fn folded(self, fold: fn(&str) -> String) -> Self {
        Self { fold: Some(fold), ..self }
    }
}

impl Relation {
    /// Create a relation to at most one row.
    pub const fn one(
        name: &'static str,
        target: &'static Resource,
        near: &'static str,
        far: &'static str,
    ) -> Self {
        Self { name, target, join: Join::One { near, far, is_certain: false }, then: &[] }
    }

    /// Create a relation to one row, which every reader of the near row may read, too.
    pub const fn certain(
        name: &'static str,
        target: &'static Resource,
        near: &'static str,
        far: &'static str,
    ) -> Self {
        Self { name, target, join: Join::One { near, far, is_certain: true }, then: &[] }
    }

    /// Create a relation to any number of rows.
    pub const fn many(name: &'static str, target: &'static Resource, far: &'static str) -> Self {
        Self { name, target, join: Join::Many { near: "id", far }, then: &[] }
    }

    /// Create a relation to any number of rows, through a table of pairs.
    pub const fn through(name: &'static str, target: &'static Resource, through: &'static Through) -> Self {
        Self { name, target, join: Join::Through(through), then: &[] }
    }

    /// Allow these relations to be followed from there.
    #[must_use]
    pub const fn then(self, then: &'static [&'static str]) -> Self {
        Self { then, ..self }
    }

    /// Whether there is at most one related row.
    pub fn is_to_one(&self) -> bool {
        matches!(self.join, Join::One { .. })
    }

    /// Whether every reader of the near row may read the far row.
    pub fn is_certain(&self) -> bool {
        matches!(self.join, Join::One { is_certain: true, .. })
    }

    /// Return what the table of pairs contains about each pair.
    pub fn link_fields(&self) -> &'static [Field] {
        match self.join {
            Join::Through(through) => through.fields,
            Join::One { .. } | Join::Many { .. } => &[],
        }
    }

    /// Return the relations that can be followed from the target.
    pub fn onward(&self) -> impl Iterator<Item = &'static Relation> {
        self.target.relations.iter().copied().filter(|relation| self.then.contains(&relation.name))
    }
}

impl Resource {
    /// Return the field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}
