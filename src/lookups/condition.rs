//! Conditions: what a name, a lookup and a value mean together.

use super::fragment::Bind;
use super::lookup::{Lookup, Part};
use super::name::{Name, Subject, Unknown};
use super::table::{Field, Relation, Resource};
use super::value::{self, PATTERN_MAX, TEXT_MAX, ValueError, Values};

/// A condition on a row, composed of other conditions.
#[derive(Clone, Debug)]
pub enum Node {
    /// All of these hold and, where they concern related rows, for the same ones.
    All(Vec<Node>),
    /// At least one of these holds.
    Any(Vec<Node>),
    /// This does not hold. Its related rows are independent of those of its neighbours.
    Not(Box<Node>),
    /// This holds. Its related rows are independent of those of its neighbours.
    Anew(Box<Node>),
    /// One comparison.
    Test(Test),
}

impl Node {
    /// Whether the condition searches for patterns: what a pattern finds depends on the pattern.
    pub fn is_of_patterns(&self) -> bool {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().any(Self::is_of_patterns),
            Self::Not(inner) | Self::Anew(inner) => inner.is_of_patterns(),
            Self::Test(Test { predicate: Predicate::Field(_, comparison), .. }) => matches!(
                comparison,
                Comparison::Like(_)
                    | Comparison::UpperLike(_)
                    | Comparison::UpperEqual(_)
                    | Comparison::Regex(_)
                    | Comparison::CaselessRegex(_)
            ),
            Self::Test(Test { predicate: Predicate::Exists, .. }) => false,
        }
    }
}

/// One comparison of one related row.
#[derive(Clone, Debug)]
pub struct Test {
    /// The path to the row.
    pub path: Vec<&'static Relation>,
    /// What must be true of the row.
    pub predicate: Predicate,
}

/// What is claimed about a row.
#[derive(Clone, Debug)]
pub enum Predicate {
    /// The row exists.
    Exists,
    /// A comparison of one of its columns is true.
    Field(Column, Comparison),
}

/// A column, or a part of it.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The field.
    pub field: &'static Field,
    /// Whether the field is in the table of pairs instead.
    pub is_of_link: bool,
    /// The part, unless the whole value is compared.
    pub part: Option<Part>,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Operator {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Operator {
    /// Return the operator as SQL.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Equal => " = ",
            Self::Greater => " > ",
            Self::GreaterOrEqual => " >= ",
            Self::Less => " < ",
            Self::LessOrEqual => " <= ",
        }
    }
}

/// What a column is compared with, and how.
#[derive(Clone, Debug, PartialEq)]
pub enum Comparison {
    /// With a value, by an operator.
    Compare(Operator, Bind),
    /// With two values: it is between them, both included.
    Between(Bind, Bind),
    /// With a list: it is one of its values.
    Among(Bind),
    /// With an empty list: it is never one of its values.
    Nothing,
    /// With null: it is null, or it is not.
    Null(bool),
    /// `LIKE`, with all of the client's text taken literally.
    Like(String),
    /// `LIKE` with both sides in upper case, and all of the client's text taken literally.
    UpperLike(String),
    /// Equality with both sides in upper case.
    UpperEqual(String),
    /// PostgreSQL's `~`.
    Regex(String),
    /// PostgreSQL's `~*`.
    CaselessRegex(String),
}

impl Comparison {
    /// Whether the comparison is one with a regular expression.
    pub fn is_regex(&self) -> bool {
        matches!(self, Self::Regex(_) | Self::CaselessRegex(_))
    }
}

/// The text of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// The text as it stands in a query string. Several values are comma-separated.
    One(String),
    /// Several texts, each a value by itself.
    Many(Vec<String>),
}

/// Why a condition is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionError {
    /// The name is unknown.
    Name(Unknown),
    /// The value is not valid.
    Value(ValueError),
    /// The condition is on a part of a time over a relation, which only a filter allows.
    PartOverRelation,
}

impl From<Unknown> for ConditionError {
    fn from(unknown: Unknown) -> Self {
        Self::Name(unknown)
    }
}

impl From<ValueError> for ConditionError {
    fn from(refused: ValueError) -> Self {
        Self::Value(refused)
    }
}

/// A condition, and what the request must be checked for.
#[derive(Clone, Debug)]
pub struct ParsedCondition {
    /// The condition.
    pub node: Node,
    /// Whether only staff may use it.
    pub is_private: bool,
    /// A regular expression that the database must accept.
    pub pattern: Option<String>,
}

/// Read one condition. Conditions on parts of times over relations are allowed only if `may_reach` is set.
pub fn read(
    resource: &'static Resource,
    name: &str,
    raw: &Raw,
    values: Values<'_>,
    may_reach: bool,
) -> Result<ParsedCondition, ConditionError> {
    let name = Name::parse(resource, name)?;
    let is_private = name.is_private();
    let column = match name.subject {
        Subject::Field(field, part) => Some(Column { field, is_of_link: false, part }),
        Subject::Link(field, part) => Some(Column { field, is_of_link: true, part }),
        Subject::Relation => None,
    };
    if column.is_some_and(|column| column.part.is_some()) && !name.path.is_empty() && !may_reach {
        return Err(ConditionError::PartOverRelation);
    }
    let node = match column {
        Some(column) => {
            let predicate =
                Predicate::Field(column, compare(column.field, column.part, name.lookup, raw, values)?);
            Node::Test(Test { path: name.path, predicate })
        }
        None => of_relation(name, raw, values)?,
    };
    let pattern = match &node {
        Node::Test(Test {
            predicate: Predicate::Field(_, Comparison::Regex(pattern) | Comparison::CaselessRegex(pattern)),
            ..
        }) => Some(pattern.clone()),
        _ => None,
    };
    Ok(ParsedCondition { node, is_private, pattern })
}

/// Read a condition on a relation itself: that there is a related row, or one with this key.
fn of_relation(name: Name, raw: &Raw, values: Values<'_>) -> Result<Node, ValueError> {
    let Name { path, lookup, .. } = name;
    let Some(last) = path.last() else { return Ok(Node::All(Vec::new())) };
    let key = &last.target.key;
    let has = |comparison| {
        let mut path = path.clone();
        path.extend(key.via);
        let column = Column { field: key, is_of_link: false, part: None };
        Node::Test(Test { path, predicate: Predicate::Field(column, comparison) })
    };
    match lookup {
        Lookup::IsNull => {
            let there = Node::Test(Test { path: path.clone(), predicate: Predicate::Exists });
            Ok(if value::boolean(&one(raw)?)? { Node::Not(Box::new(there)) } else { there })
        }
        Lookup::All => {
            let keys = several(raw)?;
            if keys.is_empty() {
                return Err(ValueError::new("must have at least one key."));
            }
            values.many(key, None, &keys)?;
            let each = keys.iter().map(|text| {
                let has = has(Comparison::Compare(Operator::Equal, values.one(key, None, text)?));
                Ok(Node::Anew(Box::new(has)))
            });
            each.collect::<Result<_, _>>().map(Node::All)
        }
        lookup => compare(key, None, lookup, raw, values).map(has),
    }
}

fn compare(
    field: &'static Field,
    part: Option<Part>,
    lookup: Lookup,
    raw: &Raw,
    values: Values<'_>,
) -> Result<Comparison, ValueError> {
    let single = || values.one(field, part, &one(raw)?);
    let text = |max| {
        let text = one(raw)?;
        value::checked(&text, max)?;
        Ok::<_, ValueError>(text)
    };
    let like = || text(TEXT_MAX).map(|text| escape(&text));
    Ok(match lookup {
        Lookup::Exact | Lookup::All => Comparison::Compare(Operator::Equal, single()?),
        Lookup::Gt => Comparison::Compare(Operator::Greater, single()?),
        Lookup::Gte => Comparison::Compare(Operator::GreaterOrEqual, single()?),
        Lookup::Lt => Comparison::Compare(Operator::Less, single()?),
        Lookup::Lte => Comparison::Compare(Operator::LessOrEqual, single()?),
        Lookup::In => match several(raw)? {
            list if list.is_empty() => Comparison::Nothing,
            list => Comparison::Among(values.many(field, part, &list)?),
        },
        Lookup::Range => {
            let list = several(raw)?;
            let [low, high] = list.as_slice() else {
                return Err(ValueError::new("must have exactly two values, separated by a comma."));
            };
            Comparison::Between(values.one(field, part, low)?, values.one(field, part, high)?)
        }
        Lookup::IsNull => Comparison::Null(value::boolean(&one(raw)?)?),
        Lookup::IExact => Comparison::UpperEqual(text(TEXT_MAX)?),
        Lookup::Contains => Comparison::Like(format!("%{}%", like()?)),
        Lookup::StartsWith => Comparison::Like(format!("{}%", like()?)),
        Lookup::EndsWith => Comparison::Like(format!("%{}", like()?)),
        Lookup::IContains => Comparison::UpperLike(format!("%{}%", like()?)),
        Lookup::IStartsWith => Comparison::UpperLike(format!("{}%", like()?)),
        Lookup::IEndsWith => Comparison::UpperLike(format!("%{}", like()?)),
        Lookup::Regex => Comparison::Regex(text(PATTERN_MAX)?),
        Lookup::IRegex => Comparison::CaselessRegex(text(PATTERN_MAX)?),
    })
}

fn one(raw: &Raw) -> Result<String, ValueError> {
    match raw {
        Raw::One(text) => Ok(text.clone()),
        Raw::Many(_) => Err(ValueError::new("must have one value, not a list.")),
    }
}

fn several(raw: &Raw) -> Result<Vec<String>, ValueError> {
    match raw {
        Raw::One(text) => value::list(text),
        Raw::Many(list) => Ok(list.clone()),
    }
}

/// Escape text so that `LIKE` finds nothing but this text.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
