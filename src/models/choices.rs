//! Enumerations of the resources: names, values and what people call them. The database checks the values too.

/// One value of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<V: 'static> {
    /// What a program calls it.
    pub name: &'static str,
    /// What is stored and sent.
    pub value: V,
    /// What a person reads.
    pub label: &'static str,
}

const fn choice<V>(name: &'static str, value: V, label: &'static str) -> Choice<V> {
    Choice { name, value, label }
}

/// What a post is about.
pub static CATEGORIES: [Choice<&str>; 5] = LISTED_CATEGORIES;

const LISTED_CATEGORIES: [Choice<&str>; 5] = [
    choice("SOCIETY", "SOC", "Society"),
    choice("EDUCATION", "EDU", "Education"),
    choice("HEALTH", "HLT", "Health"),
    choice("CULTURE", "CUL", "Culture"),
    choice("TECHNOLOGY", "TEC", "Technology"),
];

/// What a category can be.
pub const CATEGORY_VALUES: [&str; 5] = {
    let mut values = [""; 5];
    let mut place = 0;
    while place < values.len() {
        values[place] = LISTED_CATEGORIES[place].value;
        place += 1;
    }
    values
};

/// What a post is about when nobody says.
pub const DEFAULT_CATEGORY: &str = "SOC";

/// How good a post is.
pub static RATINGS: [Choice<i16>; 5] = [
    choice("VERY_BAD", 1, "Very Bad"),
    choice("BAD", 2, "Bad"),
    choice("AVERAGE", 3, "Average"),
    choice("GOOD", 4, "Good"),
    choice("EXCELLENT", 5, "Excellent"),
];

/// Rating and rank when nobody says.
pub const MIDDLE: i16 = 3;

/// What people call a category; nothing for a value that no choice has, which the database rules out.
pub fn category_label(value: &str) -> &'static str {
    CATEGORIES.iter().find(|choice| choice.value == value).map_or("", |choice| choice.label)
}

/// What people call a rating; nothing for a value that no choice has, which the database rules out.
pub fn rating_label(value: i16) -> &'static str {
    RATINGS.iter().find(|choice| choice.value == value).map_or("", |choice| choice.label)
}
