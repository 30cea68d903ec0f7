//! The inference plan of a folded backbone: made at its first use, and again where its weights are others.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use burn::module::{ModuleVisitor, Param};
use burn::tensor::Tensor;
use rekindle_kernels::ops::{self, Source};
use rekindle_kernels::plan::{Plan, PlanBuilder};

use crate::stages::Stage;

/// Plans of a folded backbone by the range of stages and the outputs wanted; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Plans {
    kept: Arc<Mutex<HashMap<Wanted, Arc<Kept>>>>,
}

type Wanted = (usize, usize, Vec<usize>);

struct Kept {
    plan: Plan,
    /// What the plan was made from.
    sources: Sources,
}

/// The parameters of stages, to find out whether they are the same later.
#[derive(Default)]
pub(crate) struct Sources {
    weights: Vec<Source<4>>,
    biases: Vec<Source<1>>,
}

impl Sources {
    fn same(&self, other: &Self) -> bool {
        fn all<const D: usize>(old: &[Source<D>], new: &[Source<D>]) -> bool {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.same(new))
        }
        all(&self.weights, &other.weights) && all(&self.biases, &other.biases)
    }
}

impl ModuleVisitor for Sources {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val().into_dispatch();
        match D {
            1 => self.biases.push(Source::new(Tensor::from_dispatch(tensor))),
            _ => self
                .weights
                .push(Source::new(Tensor::from_dispatch(tensor))),
        }
    }
}

impl fmt::Debug for Plans {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Plans")
    }
}

impl Plans {
    /// Runs the stages `from..to` on `x`, `[batch, channels, height, width]`: the outputs of the stages in `kept` (ascending), then
    /// that of the last. None where the kernels do not take over or gradients are recorded.
    pub(crate) fn run(
        &self,
        stages: &[Stage],
        from: usize,
        to: usize,
        kept: &[usize],
        x: &Tensor<4>,
    ) -> Option<Vec<Tensor<4>>> {
        if x.is_autodiff() || !ops::accelerated(x) {
            return None;
        }
        let plan = self.plan(stages, from, to, kept);
        let outputs = ops::run_plan(&plan.plan, &ops::channels_last(x.clone()))?;
        Some(outputs.into_iter().map(ops::channels_first).collect())
    }

    fn plan(&self, stages: &[Stage], from: usize, to: usize, kept: &[usize]) -> Arc<Kept> {
        let mut sources = Sources::default();
        stages[from..to]
            .iter()
            .for_each(|stage| stage.sources(&mut sources));
        let mut plans = self
            .kept
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let wanted = (from, to, kept.to_vec());
        if let Some(plan) = plans.get(&wanted)
            && plan.sources.same(&sources)
        {
            return plan.clone();
        }
        let mut builder = PlanBuilder::new();
        let mut x = builder.input();
        let mut outputs = Vec::with_capacity(kept.len() + 1);
        for (index, stage) in stages.iter().enumerate().take(to).skip(from) {
            x = stage.plan(&mut builder, x);
            if kept.contains(&index) {
                outputs.push(x);
            }
        }
        outputs.push(x);
        let plan = Arc::new(Kept {
            plan: builder.build(outputs),
            sources,
        });
        plans.insert(wanted, plan.clone());
        plan
    }
}
