//! The enumerations of the resources: names, values and labels. The database checks the values too.

/// One value of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<V: 'static> {
    /// The name for programs.
    pub name: &'static str,
    /// The value that is stored and sent.
    pub value: V,
    /// The label for people.
    pub label: &'static str,
}

const fn choice<V>(name: &'static str, value: V, label: &'static str) -> Choice<V> {
    Choice { name, value, label }
}

/// The categories of a post.
pub static CATEGORIES: [Choice<&str>; 5] = LISTED_CATEGORIES;

const LISTED_CATEGORIES: [Choice<&str>; 5] = [
    choice("SOCIETY", "SOC", "Society"),
    choice("EDUCATION", "EDU", "Education"),
    choice("HEALTH", "HLT", "Health"),
    choice("CULTURE", "CUL", "Culture"),
    choice("TECHNOLOGY", "TEC", "Technology"),
];

/// The values of the categories.
pub const CATEGORY_VALUES: [&str; 5] = {
    let mut values = [""; 5];
    let mut place = 0;
    while place < values.len() {
        values[place] = LISTED_CATEGORIES[place].value;
        place += 1;
    }
    values
};

/// The category of a post for which none was given.
pub const DEFAULT_CATEGORY: &str = "SOC";

/// The ratings of a post.
pub static RATINGS: [Choice<i16>; 5] = [
    choice("VERY_BAD", 1, "Very Bad"),
    choice("BAD", 2, "Bad"),
    choice("AVERAGE", 3, "Average"),
    choice("GOOD", 4, "Good"),
    choice("EXCELLENT", 5, "Excellent"),
];

/// The rating and the rank of a post for which none was given.
pub const MIDDLE: i16 = 3;

/// Return the label of a category. It is empty for a value that is no category, which the database rules out.
pub fn category_label(value: &str) -> &'static str {
    CATEGORIES.iter().find(|choice| choice.value == value).map_or("", |choice| choice.label)
}

/// Return the label of a rating. It is empty for a value that is no rating, which the database rules out.
pub fn rating_label(value: i16) -> &'static str {
    RATINGS.iter().find(|choice| choice.value == value).map_or("", |choice| choice.label)
}
