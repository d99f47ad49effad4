//! A statement with its values, and the text of statements for one schema.

use crate::sync::Mutex;
use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};
use tokio_postgres::types::{ToSql, Type};

/// A statement and the values of its parameters.
pub(super) struct Statement<'a> {
    /// The text, with placeholders for names of the store; it identifies the prepared statement.
    pub(super) template: Cow<'static, str>,
    /// The text with which it is a transaction of its own; it has the number of the batch as one more parameter.
    alone: Option<&'static str>,
    values: Vec<(Arc<dyn ToSql + Sync + Send + 'a>, Type)>,
}

impl<'a> Statement<'a> {
    pub(super) fn new(template: impl Into<Cow<'static, str>>) -> Self {
        Self { template: template.into(), alone: None, values: Vec::new() }
    }

    /// The next parameter.
    pub(super) fn with(mut self, value: impl ToSql + Sync + Send + 'a, of: Type) -> Self {
        self.values.push((Arc::new(value), of));
        self
    }

    /// Adds a parameter to a statement whose text is not complete, and returns its name.
    pub(super) fn add(&mut self, value: impl ToSql + Sync + Send + 'a, of: Type) -> String {
        self.values.push((Arc::new(value), of));
        format!("${}", self.values.len())
    }

    /// Sets the text with which the statement is a transaction of its own.
    pub(super) fn or_alone(mut self, template: &'static str) -> Self {
        self.alone = Some(template);
        self
    }

    /// The statement as a transaction of its own, which is batch `number` of its lane.
    pub(super) fn alone(&self, number: i64) -> Option<Self> {
        let template = self.alone?.into();
        Some(Self { template, alone: None, values: self.values.clone() }.number(number))
    }

    /// The same parameters, with this text.
    pub(super) fn having(mut self, template: String) -> Self {
        self.template = template.into();
        self
    }

    pub(super) fn text(self, value: impl ToSql + Sync + Send + 'a) -> Self {
        self.with(value, Type::TEXT)
    }

    pub(super) fn number(self, value: i64) -> Self {
        self.with(value, Type::INT8)
    }

    pub(super) fn types(&self) -> Vec<Type> {
        self.values.iter().map(|(_, of)| of.clone()).collect()
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|(value, _)| &**value as &(dyn ToSql + Sync)).collect()
    }

    pub(super) fn typed_values(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone())).collect()
    }
}

/// Values are the user's data.
impl fmt::Debug for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement").field("template", &self.template).finish_non_exhaustive()
    }
}

/// The texts of statements: their placeholders are filled once.
pub(super) struct Texts {
    /// Quoted.
    schema: String,
    filled: Mutex<HashMap<Cow<'static, str>, Arc<str>>>,
}

impl Texts {
    pub(super) fn new(schema: &str) -> Self {
        Self { schema: quoted(schema), filled: Mutex::default() }
    }

    pub(super) fn get(&self, statement: &Statement<'_>) -> Arc<str> {
        let mut filled = self.filled.lock();
        if let Some(text) = filled.get(&statement.template) {
            return text.clone();
        }
        let text: Arc<str> = self.fill(&statement.template).into();
        filled.insert(statement.template.clone(), text.clone());
        text
    }

    /// `template` with the name of the schema. A placeholder is never part of a value: values are parameters.
    pub(super) fn fill(&self, template: &str) -> String {
        template.replace("{schema}", &self.schema)
    }
}

/// `name` as an identifier in SQL. The options take no name with quotes, so that it can be part of a literal, too.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_quoted() {
        assert_eq!(&*Texts::new("my own").get(&Statement::new("TABLE {schema}.meta")), "TABLE \"my own\".meta");
    }
}
