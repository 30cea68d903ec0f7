//! A search along a direction for a place that fulfils the strong Wolfe conditions. Owns no more than the search: what is searched is the
//! caller's.
//!
//! After Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 3.5 and 3.6, in the form that PyTorch took from minFunc: equal
//! to its `_strong_wolfe` evaluation by evaluation.

/// How much of the decrease that the slope promises there has to be.
const DECREASE: f64 = 1e-4;
/// How much of the slope may be left.
const CURVATURE: f64 = 0.9;
/// Evaluations behind the first.
const MOST: usize = 25;

/// A place on the way.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// How far along the direction, in its lengths.
    pub length: f64,
    /// The function there.
    pub value: f64,
    /// The gradient along the direction.
    pub slope: f64,
    /// The gradient.
    pub gradient: Vec<f64>,
}

/// Searches from `start` on, first at `begin`, along a direction whose largest number is `size`; two places nearer than `tolerance` are one.
pub(super) fn strong_wolfe<E>(
    start: Point,
    begin: f64,
    size: f64,
    tolerance: f64,
    mut at: impl FnMut(f64) -> Result<Point, E>,
) -> Result<Point, E> {
    let decreased =
        |point: &Point| point.value <= start.value + DECREASE * point.length * start.slope;
    let flat = |point: &Point| point.slope.abs() <= -CURVATURE * start.slope;

    // Goes on until a place is behind a minimum.
    let mut previous = start.clone();
    let mut new = at(begin)?;
    let mut tried = 0;
    let mut bracket = loop {
        if tried == MOST {
            break [start.clone(), new];
        }
        if !decreased(&new) || (tried > 1 && new.value >= previous.value) {
            break [previous, new];
        }
        if flat(&new) {
            return Ok(new);
        }
        if new.slope >= 0.0 {
            break [previous, new];
        }
        let least = new.length + 0.01 * (new.length - previous.length);
        let most = new.length * 10.0;
        let next = minimum_between(&previous, &new, [least, most]);
        previous = std::mem::replace(&mut new, at(next)?);
        tried += 1;
    };

    // Narrows the bracket down.
    let mut near_an_end = false;
    while tried < MOST {
        let [first, second] = [bracket[0].length, bracket[1].length];
        let [least, most] = [first.min(second), first.max(second)];
        if (most - least) * size < tolerance {
            break;
        }
        let mut next = minimum_between(&bracket[0], &bracket[1], [least, most]);
        let margin = 0.1 * (most - least);
        if (most - next).min(next - least) < margin {
            // Twice near an end of it, or at one: a tenth of the way in.
            if near_an_end || next >= most || next <= least {
                next = match (next - most).abs() < (next - least).abs() {
                    true => most - margin,
                    false => least + margin,
                };
                near_an_end = false;
            } else {
                near_an_end = true;
            }
        } else {
            near_an_end = false;
        }
        let new = at(next)?;
        tried += 1;
        let low = usize::from(bracket[0].value > bracket[1].value);
        let high = 1 - low;
        if !decreased(&new) || new.value >= bracket[low].value {
            bracket[high] = new;
        } else {
            if flat(&new) {
                return Ok(new);
            }
            if new.slope * (bracket[high].length - bracket[low].length) >= 0.0 {
                bracket[high] = bracket[low].clone();
            }
            bracket[low] = new;
        }
    }
    let [first, second] = bracket;
    Ok(match first.value <= second.value {
        true => first,
        false => second,
    })
}

/// Where the cubic through two places, with their slopes, is least within bounds; their middle where it has no minimum.
fn minimum_between(one: &Point, other: &Point, [least, most]: [f64; 2]) -> f64 {
    let (left, right) = match one.length <= other.length {
        true => (one, other),
        false => (other, one),
    };
    let width = right.length - left.length;
    let bend =
        left.slope + right.slope - 3.0 * (left.value - right.value) / (left.length - right.length);
    let square = bend * bend - left.slope * right.slope;
    if square < 0.0 || square.is_nan() {
        return (least + most) / 2.0;
    }
    let root = square.sqrt();
    let share = (right.slope + root - bend) / (right.slope - left.slope + 2.0 * root);
    let found = right.length - width * share;
    match found.is_nan() {
        true => (least + most) / 2.0,
        false => found.max(least).min(most),
    }
}
