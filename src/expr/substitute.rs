//! Simultaneous replacement of symbols and of unknown functions.

use super::graph::{Expr, Graph, Node};
use rustc_hash::FxHashMap;

impl Graph {
    /// The expressions `roots` of another graph in this one.
    pub(super) fn import(&mut self, other: &Graph, roots: &[Expr]) -> Vec<Expr> {
        let mut images: FxHashMap<Expr, Expr> = FxHashMap::default();
        for n in other.reachable(roots) {
            let image = self.rebuild(other.node(n), |child| images[&child]);
            images.insert(n, image);
        }
        roots.iter().map(|root| images[root]).collect()
    }

    /// Replaces every key of `replacements` by its value, all at once.
    ///
    /// Keys are symbols or unknown functions applied to symbols (`V(x, t)`). An unknown takes its
    /// derivatives with it: `V_t` becomes the `t`-derivative of the replacement, and `V(2*y, t)` the
    /// replacement at `x = 2*y`.
    pub fn substitute(&mut self, e: Expr, replacements: &[(Expr, Expr)]) -> Expr {
        let mut images: FxHashMap<Expr, Expr> = replacements.iter().copied().collect();
        for n in self.reachable(&[e]) {
            if images.contains_key(&n) {
                continue;
            }
            let node = self.shared(n);
            let before = self.len();
            let image = match &*node {
                Node::Unknown(name, arguments, orders) => {
                    self.unknown_image(name, arguments, orders, replacements, &images)
                }
                _ => None,
            };
            let image = image.unwrap_or_else(|| {
                let mut unchanged = true;
                node.children(|child| unchanged &= images[&child] == child);
                if unchanged {
                    n
                } else {
                    self.rebuild(&node, |child| images[&child])
                }
            });
            self.mark_derived(n, before);
            images.insert(n, image);
        }
        images[&e]
    }

    /// The image of an unknown whose base function is replaced.
    fn unknown_image(
        &mut self,
        name: &str,
        arguments: &[Expr],
        orders: &[u32],
        replacements: &[(Expr, Expr)],
        images: &FxHashMap<Expr, Expr>,
    ) -> Option<Expr> {
        let (slots, replacement) =
            replacements
                .iter()
                .find_map(|(key, value)| match self.node(*key) {
                    Node::Unknown(known, slots, orders)
                        if known == name
                            && slots.len() == arguments.len()
                            && orders.iter().all(|o| *o == 0)
                            && slots.iter().all(|s| self.symbol_name(*s).is_some()) =>
                    {
                        Some((slots.clone(), *value))
                    }
                    _ => None,
                })?;
        let mut value = replacement;
        for (slot, order) in slots.iter().zip(orders) {
            for _ in 0..*order {
                value = self.derivative(value, *slot);
            }
        }
        let moved: Vec<_> = slots
            .iter()
            .zip(arguments)
            .map(|(slot, argument)| (*slot, images[argument]))
            .filter(|(slot, argument)| slot != argument)
            .collect();
        Some(if moved.is_empty() {
            value
        } else {
            self.substitute(value, &moved)
        })
    }
}
