//! Conditions as one expression: `title__istartswith:"a" and not (rating__lt:3 or labels:"old")`. The grammar is in
//! `filter.pest`.

use std::fmt;

use super::condition::Raw;
use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pair;

/// Maximum length of an expression, in characters.
pub const FILTER_MAX: usize = 4000;
/// Maximum depth to which parentheses and `not` may nest.
pub const DEPTH_MAX: usize = 16;

mod grammar {
    use pest_derive::Parser;

    #[derive(Parser)]
    #[grammar = "lookups/filter.pest"]
    pub(super) struct Grammar;
}

use grammar::{Grammar, Rule};

/// An expression whose names and values have not been checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Two or more expressions, with `and` between them.
    All(Vec<Expression>),
    /// Two or more expressions, with `or` between them.
    Any(Vec<Expression>),
    /// An expression after `not`.
    Not(Box<Expression>),
    /// A condition: `name:value`.
    Condition(Condition),
}

/// A condition: `name:value`.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What is compared, and how.
    pub name: String,
    /// What it is compared with.
    pub value: Raw,
    /// Number of characters before the name.
    pub name_at: usize,
    /// Number of characters before the value.
    pub value_at: usize,
}

/// Conditions are equal wherever they stand in the expression.
impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.value == other.value
    }
}

impl Eq for Condition {}

/// A place where an expression is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Number of characters before that place.
    pub at: usize,
    /// What is wrong there.
    pub detail: String,
}

impl Expression {
    /// Parse an expression.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        if text.chars().nth(FILTER_MAX).is_some() {
            let detail = format!("The expression must have at most {FILTER_MAX} characters.");
            return Err(SyntaxError { at: FILTER_MAX, detail });
        }
        // Checked before anything recurses into the nesting.
        refuse_depth(text)?;
        let mut pairs = Grammar::parse(Rule::filter, text).map_err(|error| syntax_error(text, &error))?;
        let expression = pairs.next().and_then(|filter| filter.into_inner().next());
        expression.map(|pair| Reader { text }.expression(pair)).ok_or_else(|| SyntaxError {
            at: 0,
            detail: "Expected an expression such as `rating__gte:4`.".into(),
        })
    }
}

/// Reject parentheses and `not`s that nest too deep, outside of quotation marks.
fn refuse_depth(text: &str) -> Result<(), SyntaxError> {
    let (mut depth, mut nots, mut is_quoted, mut is_escaped) = (0_usize, 0_usize, false, false);
    let mut word = String::new();
    for (at, c) in text.chars().enumerate() {
        if is_quoted {
            is_quoted = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c.to_ascii_lowercase());
            continue;
        }
        nots += usize::from(std::mem::take(&mut word) == "not");
        match c {
            '"' => is_quoted = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            // Without parentheses, only consecutive `not`s nest, and a `not` in a list is just a word.
            ':' | ',' | ']' => nots = 0,
            _ => {}
        }
        if depth + nots > DEPTH_MAX {
            let detail = format!("Parentheses and `not` must be nested at most {DEPTH_MAX} deep.");
            return Err(SyntaxError { at, detail });
        }
    }
    Ok(())
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn expression(&self, pair: Pair<'_, Rule>) -> Expression {
        match pair.as_rule() {
            Rule::expression => self.several(pair, Expression::Any),
            Rule::conjunction => self.several(pair, Expression::All),
            Rule::negation => {
                let mut inner = pair.into_inner().peekable();
                let is_not = inner.next_if(|pair| pair.as_rule() == Rule::not).is_some();
                let inner = inner.map(|pair| self.expression(pair)).next().unwrap_or_else(nothing);
                if is_not { Expression::Not(Box::new(inner)) } else { inner }
            }
            Rule::condition => self.condition(pair),
            _ => pair.into_inner().map(|pair| self.expression(pair)).next().unwrap_or_else(nothing),
        }
    }

    fn several(&self, pair: Pair<'_, Rule>, join: fn(Vec<Expression>) -> Expression) -> Expression {
        let parts = pair.into_inner().filter(|pair| !matches!(pair.as_rule(), Rule::and | Rule::or));
        let mut parts: Vec<Expression> = parts.map(|pair| self.expression(pair)).collect();
        if parts.len() == 1 { parts.remove(0) } else { join(parts) }
    }

    fn condition(&self, pair: Pair<'_, Rule>) -> Expression {
        let mut condition =
            Condition { name: String::new(), value: Raw::One(String::new()), name_at: 0, value_at: 0 };
        for pair in pair.into_inner() {
            let at = characters(self.text, pair.as_span().start());
            if pair.as_rule() == Rule::name {
                pair.as_str().clone_into(&mut condition.name);
                condition.name_at = at;
                continue;
            }
            condition.value_at = at;
            condition.value = match pair.as_rule() {
                Rule::list => Raw::Many(pair.into_inner().map(unquoted).collect()),
                _ => Raw::One(unquoted(pair)),
            };
        }
        Expression::Condition(condition)
    }
}

fn nothing() -> Expression {
    Expression::All(Vec::new())
}

/// Return the text of a word, or of a string without its quotation marks.
fn unquoted(pair: Pair<'_, Rule>) -> String {
    if pair.as_rule() != Rule::string {
        return pair.as_str().to_owned();
    }
    let quoted = pair.into_inner().next().map_or("", |text| text.as_str());
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        text.push(if c == '\\' { characters.next().unwrap_or(c) } else { c });
    }
    text
}

fn characters(text: &str, bytes: usize) -> usize {
    text.get(..bytes).map_or(0, |before| before.chars().count())
}

fn syntax_error(text: &str, error: &pest::error::Error<Rule>) -> SyntaxError {
    let (InputLocation::Pos(bytes) | InputLocation::Span((bytes, _))) = error.location;
    let mut expected: Vec<&str> = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.iter().map(|rule| said(*rule)).collect(),
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    expected.sort_unstable();
    expected.dedup();
    let rest: String = text.get(bytes..).unwrap_or_default().chars().take(12).collect();
    let found = if rest.is_empty() { "the end".to_owned() } else { format!("`{rest}`") };
    let expected = if expected.is_empty() { "something else".to_owned() } else { expected.join(" or ") };
    SyntaxError { at: characters(text, bytes), detail: format!("Expected {expected}, found {found}.") }
}

/// Describe a rule of the grammar in words.
fn said(rule: Rule) -> &'static str {
    match rule {
        Rule::EOI => "the end",
        Rule::and => "`and`",
        Rule::or => "`or`",
        Rule::not => "`not`",
        Rule::group => "`(`",
        Rule::string | Rule::text | Rule::word | Rule::list => "a value",
        Rule::member => "a value of the list",
        Rule::filter
        | Rule::expression
        | Rule::conjunction
        | Rule::negation
        | Rule::condition
        | Rule::name => "a condition such as `rating__gte:4`",
        Rule::value | Rule::item | Rule::special | Rule::WHITESPACE => "something else",
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => write_joined(f, parts, " and "),
            Self::Any(parts) => write_joined(f, parts, " or "),
            Self::Not(inner) => {
                f.write_str("not ")?;
                inner.write_inside(f)
            }
            Self::Condition(condition) => write!(f, "{condition}"),
        }
    }
}

impl Expression {
    /// Write the expression as a part of another one.
    fn write_inside(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(_) | Self::Any(_) => write!(f, "({self})"),
            Self::Not(_) | Self::Condition(_) => write!(f, "{self}"),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, parts: &[Expression], joint: &str) -> fmt::Result {
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            f.write_str(joint)?;
        }
        part.write_inside(f)?;
    }
    Ok(())
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        match &self.value {
            Raw::One(text) => write_quoted(f, text),
            Raw::Many(list) => {
                f.write_str("[")?;
                for (place, text) in list.iter().enumerate() {
                    if place > 0 {
                        f.write_str(",")?;
                    }
                    write_quoted(f, text)?;
                }
                f.write_str("]")
            }
        }
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
