//! What models cost.

use crate::glob::{Glob, GlobSet};
use crate::limit::Price;
use crate::names;
use crate::source::read::Located;
use crate::{Bundle, Call, Model};
use std::collections::HashMap;

/// `prices` of `bundle.yaml`.
#[derive(Debug)]
pub(crate) struct PriceTable {
    pub(crate) currency: String,
    /// What becomes of a call to a model without a price, where a cost limit applies; nothing said: there is no such limit.
    pub(crate) unpriced: Option<Unpriced>,
    rows: Vec<Price>,
    /// Row of a literal name, lower case.
    literals: HashMap<String, usize>,
    globs: GlobSet,
    /// Row of a glob.
    row_of: Vec<usize>,
}

/// What becomes of a call whose cost cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpriced {
    Deny,
    Allow,
}

impl PriceTable {
    /// Rows in their order, globs in lower case: the first that matches a model is its price.
    pub(crate) fn new(currency: String, unpriced: Option<Unpriced>, rows: Vec<(Vec<Glob>, Price)>) -> Self {
        let (mut literals, mut globs, mut row_of) = (HashMap::new(), Vec::new(), Vec::new());
        let mut prices = Vec::with_capacity(rows.len());
        for (number, (models, price)) in rows.into_iter().enumerate() {
            prices.push(price);
            for glob in models {
                match glob.as_literal() {
                    Some(name) => {
                        literals.entry(name.to_owned()).or_insert(number);
                    }
                    None => {
                        globs.push(glob);
                        row_of.push(number);
                    }
                }
            }
        }
        Self { currency, unpriced, rows: prices, literals, globs: GlobSet::new(globs), row_of }
    }

    /// The price of a model by its names, lower case.
    pub(crate) fn of(&self, names: &[String]) -> Option<Price> {
        let mut first: Option<usize> = None;
        let mut found = |row: usize| first = Some(first.map_or(row, |other| other.min(row)));
        for name in names {
            if let Some(row) = self.literals.get(name) {
                found(*row);
            }
            self.globs.each_match(name, |glob| {
                if let Some(row) = self.row_of.get(glob) {
                    found(*row);
                }
            });
        }
        first.and_then(|row| self.rows.get(row)).copied()
    }

    /// A model that is written in the bundle has a price.
    pub(crate) fn knows(&self, written: &Located) -> bool {
        let parsed = portcullis_bedrock::ModelRef::parse(&written.text);
        let model = Model {
            id: parsed.id,
            kind: parsed.kind.as_str().to_owned(),
            base: parsed.base,
            provider: parsed.provider,
            version: parsed.version,
            geography: parsed.geography,
            region: parsed.region,
            account: parsed.account,
        };
        self.of(&names::models(&model, &Call::default())).is_some()
    }
}

impl Bundle {
    /// The price of a model, by every form of its name; `None` when the bundle has none for it.
    #[must_use]
    pub fn price_of(&self, model: &Model) -> Option<Price> {
        self.prices.as_ref()?.of(&names::models(model, &Call::default()))
    }

    /// The currency of the bundle's prices, such as `USD`; `None` when it has none.
    #[must_use]
    pub fn currency(&self) -> Option<&str> {
        self.prices.as_ref().map(|prices| prices.currency.as_str())
    }
}
