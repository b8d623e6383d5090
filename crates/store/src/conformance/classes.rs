use super::{Behaviours, behaviours};
pub(super) const BEHAVIOURS: Behaviours = behaviours![];
