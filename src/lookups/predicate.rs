//! Writes conditions as SQL.
//!
//! A condition on related rows becomes `EXISTS`, so that no row of the list appears twice, whatever it is related to. Conditions
//! that stand together and concern the same relation share one `EXISTS`, so that they bind the same row, as one call of Django's
//! `filter()` does; `not` starts anew, as `exclude()` does. Only rows that the reader may read are considered.

use chrono_tz::Tz;

use super::comparison;
use super::condition::{Comparison, Node, Operator, Predicate, Test};
use super::fragment::{Alias, Bind, Fragment};
use super::table::{Grant, Join, Reader, Relation, Resource, Rights};

/// Writes conditions on the rows of a resource, whose name in the statement is that of its table.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The resource that the rows belong to.
    pub resource: &'static Resource,
    /// The reader, whose rights apply.
    pub reader: &'a Reader,
    /// The time zone of parts of times.
    pub zone: Tz,
}

/// A relation that has been followed, and the name of the row there.
#[derive(Clone, Copy)]
struct Bound {
    relation: &'static Relation,
    far: Alias,
    link: Option<Alias>,
}

/// The rows that are bound, each with the path to it.
#[derive(Clone, Default)]
struct Bindings(Vec<(Vec<&'static Relation>, Bound)>);

type Path<'a> = &'a [&'static Relation];

fn is_same(a: Path<'_>, b: Path<'_>) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| std::ptr::eq(*a, *b))
}

impl Bindings {
    fn bound(&self, path: Path<'_>) -> Option<Bound> {
        self.0.iter().find(|(known, _)| is_same(known, path)).map(|(_, bound)| *bound)
    }

    /// Return how many steps of a path are bound.
    fn depth(&self, path: Path<'_>) -> usize {
        (1..=path.len()).rev().find(|length| self.bound(&path[..*length]).is_some()).unwrap_or(0)
    }

    /// Return a path up to its first step that is not bound yet.
    fn step<'p>(&self, path: Path<'p>) -> Option<Path<'p>> {
        path.get(..=self.depth(path))
    }
}

/// Find the steps that a condition takes, beyond what is bound, to rows that it shares with its neighbours.
fn steps<'n>(node: &'n Node, bindings: &Bindings, found: &mut Vec<Path<'n>>) {
    match node {
        Node::All(nodes) | Node::Any(nodes) => nodes.iter().for_each(|node| steps(node, bindings, found)),
        Node::Test(test) => {
            if let Some(step) = bindings.step(&test.path)
                && !found.iter().any(|known| is_same(known, step))
            {
                found.push(step);
            }
        }
        Node::Not(_) | Node::Anew(_) => {}
    }
}

/// Whether a condition cannot hold without a row at the end of this path.
fn requires(node: &Node, path: Path<'_>) -> bool {
    match node {
        Node::All(nodes) => nodes.iter().any(|node| requires(node, path)),
        Node::Any(nodes) => !nodes.is_empty() && nodes.iter().all(|node| requires(node, path)),
        Node::Test(test) => {
            // If there is no row, its columns are null, as in Django's outer joins.
            let may_be_absent = matches!(test.predicate, Predicate::Field(_, Comparison::Null(true)));
            !may_be_absent && test.path.get(..path.len()).is_some_and(|start| is_same(start, path))
        }
        Node::Not(_) | Node::Anew(_) => false,
    }
}

/// Whether a condition concerns a row at the end of this path that its neighbours may concern, too.
pub fn speaks_of(node: &Node, path: Path<'_>) -> bool {
    match node {
        Node::All(nodes) | Node::Any(nodes) => nodes.iter().any(|node| speaks_of(node, path)),
        Node::Test(test) => test.path.get(..path.len()).is_some_and(|start| is_same(start, path)),
        Node::Not(_) | Node::Anew(_) => false,
    }
}

impl Writer<'_> {
    /// Return the name of the resource's own row.
    pub fn root(&self) -> Alias {
        Alias::Table(self.resource.table)
    }

    /// Write a condition.
    pub fn condition(&self, sql: &mut Fragment, node: &Node) {
        self.node(sql, &Bindings::default(), node);
    }

    fn node(&self, sql: &mut Fragment, bindings: &Bindings, node: &Node) {
        match node {
            Node::All(nodes) => self.all(sql, bindings, &nodes.iter().collect::<Vec<_>>()),
            Node::Any(nodes) if nodes.is_empty() => {
                sql.word("FALSE");
            }
            Node::Any(nodes) => {
                sql.word("(").join(" OR ", nodes, |sql, node| self.node(sql, bindings, node)).word(")");
            }
            Node::Not(inner) => {
                sql.word("(");
                self.condition(sql, inner);
                sql.word(") IS NOT TRUE");
            }
            Node::Anew(inner) => self.condition(sql, inner),
            Node::Test(test) => match bindings.step(&test.path) {
                Some(step) => self.related(sql, bindings, step, &[node]),
                None => self.test(sql, bindings, test),
            },
        }
    }

    /// Write conditions that must all hold. Those that take the same steps concern the same rows.
    fn all(&self, sql: &mut Fragment, bindings: &Bindings, nodes: &[&Node]) {
        if nodes.is_empty() {
            sql.word("TRUE");
            return;
        }
        sql.join(" AND ", groups(bindings, nodes), |sql, group| {
            let mut shared: Vec<(usize, Path<'_>)> = Vec::new();
            for node in &group {
                let mut of_node = Vec::new();
                steps(node, bindings, &mut of_node);
                for step in of_node {
                    match shared.iter_mut().find(|(_, known)| is_same(known, step)) {
                        Some((times, _)) => *times += 1,
                        None => shared.push((1, step)),
                    }
                }
            }
            match (group.as_slice(), shared.iter().find(|(times, _)| *times > 1)) {
                (group, Some((_, step))) => self.related(sql, bindings, step, group),
                ([node], None) => self.node(sql, bindings, node),
                (group, None) => {
                    sql.join(" AND ", group, |sql, node| self.node(sql, bindings, node));
                }
            }
        });
    }

    /// Write the condition that there is a row at the end of a step for which all of these hold.
    fn related(&self, sql: &mut Fragment, bindings: &Bindings, step: Path<'_>, nodes: &[&Node]) {
        let Some((relation, before)) = step.split_last() else { return };
        let near = bindings.bound(before).map_or_else(|| self.root(), |bound| bound.far);
        if let (Join::One { near: own, far, .. }, [node]) = (&relation.join, nodes)
            && let Some(key) = key_of(node, step)
        {
            // There is at most one such row. If its id is compared as a value, the near rows come from an index in order.
            let row = sql.fresh();
            let target = relation.target;
            sql.column(near, own).word(" = (SELECT ").column(row, far).word(" FROM ").word(target.table);
            sql.word(" AS ").alias(row).word(" WHERE ").column(row, target.key.column).word(" = ");
            sql.bind(key.clone()).word(" AND ");
            self.may(sql, row, &target.readable);
            sql.word(")");
            return;
        }
        let link = matches!(relation.join, Join::Through(_)).then(|| sql.fresh());
        let bound = Bound { relation, far: sql.fresh(), link };
        let mut inner = bindings.clone();
        inner.0.push((step.to_vec(), bound));
        if nodes.iter().any(|node| requires(node, step)) {
            sql.word("EXISTS (SELECT FROM ");
            table(sql, bound);
            sql.word(" WHERE ");
            self.belongs(sql, near, bound);
        } else {
            // The conditions may be true without a related row, too.
            let one = sql.fresh();
            sql.word("EXISTS (SELECT FROM (SELECT) AS ").alias(one).word(" LEFT JOIN ");
            table(sql, bound);
            sql.word(" ON ");
            self.belongs(sql, near, bound);
            sql.word(" WHERE TRUE");
        }
        sql.word(" AND ");
        self.all(sql, &inner, nodes);
        sql.word(")");
    }

    /// Write the related row of a relation to one, under this name: its table, then what must hold for it.
    pub fn one(
        &self,
        sql: &mut Fragment,
        near: Alias,
        relation: &'static Relation,
        far: Alias,
        between: &'static str,
    ) {
        let bound = Bound { relation, far, link: None };
        table(sql, bound);
        sql.word(between);
        self.belongs(sql, near, bound);
    }

    /// Write the condition that a row belongs to this near row, and may be read.
    fn belongs(&self, sql: &mut Fragment, near: Alias, bound: Bound) {
        joins(sql, near, bound);
        sql.word(" AND ");
        self.may(sql, bound.far, &bound.relation.target.readable);
    }

    /// Write the condition that the reader has a right to a row.
    pub fn may(&self, sql: &mut Fragment, row: Alias, rights: &Rights) {
        let user = self.reader.user.as_ref().map(|(id, _)| *id);
        let grants = match rights {
            Rights::Everyone => {
                sql.word("TRUE");
                return;
            }
            Rights::Where(_) if self.reader.is_staff => {
                sql.word("TRUE");
                return;
            }
            Rights::Where(grants) => grants,
            // Without a user the id is 0, which no row has.
            Rights::Own { user: column, until } => {
                sql.column(row, column).word(" = ").bind(Bind::Integer(user.unwrap_or_default()));
                sql.word(" AND ").column(row, until).word(" > now()");
                return;
            }
        };
        let grants = grants.iter().filter(|grant| user.is_some() || !matches!(grant, Grant::Named(_)));
        let grants: Vec<&Grant> = grants.collect();
        let is_only_one = grants.len() == 1;
        sql.word("(");
        if grants.is_empty() {
            sql.word("FALSE");
        }
        sql.join(" OR ", grants, |sql, grant| match grant {
            Grant::Flag(column) => {
                sql.column(row, column);
            }
            Grant::Named(column) => {
                sql.column(row, column).word(" = ").bind(Bind::Integer(user.unwrap_or_default()));
            }
            Grant::With(relation) => self.may_with(sql, row, relation, is_only_one),
        });
        sql.word(")");
    }

    /// Write the condition that the reader has a right to the row at the end of a relation. Beside other conditions it is written
    /// as a value, which is looked up row by row: for `EXISTS` beside something else, the planner makes a list of every far row
    /// first.
    fn may_with(&self, sql: &mut Fragment, row: Alias, relation: &'static Relation, is_alone: bool) {
        let bound = Bound { relation, far: sql.fresh(), link: None };
        if is_alone {
            sql.word("EXISTS (SELECT FROM ");
            table(sql, bound);
            sql.word(" WHERE ");
            self.belongs(sql, row, bound);
        } else {
            sql.word("(SELECT ");
            self.may(sql, bound.far, &relation.target.readable);
            sql.word(" FROM ");
            table(sql, bound);
            sql.word(" WHERE ");
            joins(sql, row, bound);
        }
        sql.word(")");
    }

    /// Write a comparison of a row that is bound.
    fn test(&self, sql: &mut Fragment, bindings: &Bindings, test: &Test) {
        let (column, comparison) = match &test.predicate {
            Predicate::Field(column, comparison) => (column, comparison),
            Predicate::Exists => {
                // In an outer join, every column of the row may be null.
                let there = bindings.bound(&test.path);
                match there {
                    Some(bound) => sql.column(bound.far, bound.relation.target.id).word(" IS NOT NULL"),
                    None => sql.word("TRUE"),
                };
                return;
            }
        };
        let row = match bindings.bound(&test.path) {
            Some(bound) if column.is_of_link => bound.link.unwrap_or(bound.far),
            Some(bound) => bound.far,
            None => self.root(),
        };
        let rights = match bindings.bound(&test.path) {
            Some(bound) => &bound.relation.target.readable,
            None => &self.resource.readable,
        };
        let is_guarded =
            comparison.is_regex() && !self.reader.is_staff && !matches!(rights, Rights::Everyone);
        if is_guarded {
            // The database considers a regular expression cheap, and would evaluate it first on rows that the reader may not
            // read. The time that this takes, and what the statistics make of it, would reveal something about those rows.
            let own = bindings.bound(&test.path).map_or_else(|| self.root(), |bound| bound.far);
            sql.word("CASE WHEN ");
            self.may(sql, own, rights);
            sql.word(" THEN ");
        }
        comparison::write(sql, row, *column, comparison, self.zone);
        if is_guarded {
            sql.word(" END");
        }
    }
}

/// Return the key that a condition requires at the end of a path, if it requires nothing else.
pub fn key_of<'n>(node: &'n Node, path: Path<'_>) -> Option<&'n Bind> {
    let Node::Test(Test {
        path: own,
        predicate: Predicate::Field(column, Comparison::Compare(Operator::Equal, key)),
    }) = node
    else {
        return None;
    };
    let target = path.last()?.target;
    let is_key =
        is_same(own, path) && std::ptr::eq(column.field, &raw const target.key) && target.key.via.is_none();
    is_key.then_some(key)
}

/// Write the table of the related rows, with the table of pairs by which they are found.
fn table(sql: &mut Fragment, bound: Bound) {
    let far = bound.relation.target;
    if let (Join::Through(through), Some(link)) = (&bound.relation.join, bound.link) {
        sql.word("(").word(through.table).word(" AS ").alias(link).word(" INNER JOIN ");
        sql.word(far.table).word(" AS ").alias(bound.far).word(" ON ");
        sql.column(bound.far, far.id).word(" = ").column(link, through.far).word(")");
    } else {
        sql.word(far.table).word(" AS ").alias(bound.far);
    }
}

/// Write the condition that a relation leads from this near row to a row.
fn joins(sql: &mut Fragment, near: Alias, bound: Bound) {
    match (&bound.relation.join, bound.link) {
        (Join::Through(through), Some(link)) => sql.column(link, through.near).word(" = ").column(near, "id"),
        (Join::One { near: own, far, .. } | Join::Many { near: own, far }, _) => {
            sql.column(bound.far, far).word(" = ").column(near, own)
        }
        (Join::Through(_), None) => sql.word("FALSE"),
    };
}

/// Conditions with their places, and the steps that they take.
type Group<'n> = (Vec<Path<'n>>, Vec<(usize, &'n Node)>);

/// Return conditions in groups that share steps, directly or through others.
fn groups<'n>(bindings: &Bindings, nodes: &[&'n Node]) -> Vec<Vec<&'n Node>> {
    let mut groups: Vec<Group<'n>> = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        let mut own = Vec::new();
        steps(node, bindings, &mut own);
        let mut members = vec![(place, *node)];
        groups.retain_mut(|(theirs, nodes)| {
            let is_shared = theirs.iter().any(|step| own.iter().any(|known| is_same(known, step)));
            if is_shared {
                own.append(theirs);
                members.append(nodes);
            }
            !is_shared
        });
        members.sort_by_key(|(place, _)| *place);
        groups.push((own, members));
    }
    groups.into_iter().map(|(_, nodes)| nodes.into_iter().map(|(_, node)| node).collect()).collect()
}
