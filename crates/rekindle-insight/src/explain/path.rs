//! Integrated gradients: an output's rise along the straight way from a baseline to an image, divided among the pixels.

use burn::tensor::{Tensor, TensorData};
use rekindle_model::Probe;

use super::map::HeatMap;

/// What each pixel adds to an output, and how near all of them come to the whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Integrated {
    /// The sum over the colours of each pixel.
    pub map: HeatMap,
    /// The sum over all pixels.
    pub sum: f64,
    /// The output for the image minus that for the baseline, which the sum comes near with more steps (completeness).
    pub difference: f64,
}

/// Integrated gradients ([Sundararajan et al. 2017](https://arxiv.org/abs/1703.01365)) of one output with respect to an image's
/// input, `(x - baseline) * integral of the gradient at baseline + a (x - baseline)` over `a` from 0 to 1, by the quadrature of Gauss and
/// Legendre with so many steps, as captum's default has it. `together` of them are computed at a time.
///
/// # Shapes
///
/// `image` and `baseline` `[1, 3, height, width]`, on a plain device.
///
/// # Panics
///
/// When a number is 0, or there is no such output. The probe has to be cut at the images.
pub fn integrated_gradients(
    probe: &Probe,
    image: &Tensor<4>,
    baseline: &Tensor<4>,
    output: usize,
    steps: usize,
    together: usize,
) -> Integrated {
    let [_, channels, height, width] = image.dims();
    let device = image.device();
    let way = image.clone() - baseline.clone();
    let mut mean = vec![0.0f64; channels * height * width];
    for chunk in gauss_legendre(steps).chunks(together) {
        let places: Vec<f32> = chunk.iter().map(|(place, _)| *place as f32).collect();
        let count = places.len();
        let places = Tensor::<4>::from_data(TensorData::new(places, [count, 1, 1, 1]), &device);
        let points = baseline.clone() + way.clone() * places;
        let slope = probe.differentiate(probe.at(points), |_| vec![output; count]);
        let gradient: Vec<f32> = slope.gradient.into_data().iter::<f32>().collect();
        for (gradient, (_, weight)) in gradient.chunks(mean.len()).zip(chunk) {
            for (mean, gradient) in mean.iter_mut().zip(gradient) {
                *mean += weight * f64::from(*gradient);
            }
        }
    }
    let way: Vec<f32> = way.into_data().iter::<f32>().collect();
    let cells = height * width;
    let mut pixels = vec![0.0f64; cells];
    for (at, (way, mean)) in way.iter().zip(&mean).enumerate() {
        pixels[at % cells] += f64::from(*way) * mean;
    }
    let ends = Tensor::cat(vec![image.clone(), baseline.clone()], 0);
    let ends = probe.differentiate(probe.at(ends), |_| vec![output; 2]);
    let [at_image, at_baseline] = [0, 1].map(|row| {
        let outputs = ends.outputs.len() / 2;
        f64::from(ends.outputs[row * outputs + output])
    });
    Integrated {
        sum: pixels.iter().sum(),
        difference: at_image - at_baseline,
        map: HeatMap::new(
            [height, width],
            pixels.iter().map(|value| *value as f32).collect(),
            true,
        ),
    }
}

/// Places from 0 to 1 and weights that sum to 1, exact for polynomials of a degree below `2 * steps`. The places are the roots of the
/// Legendre polynomial, found by Newton's method from `cos(pi (i + 3/4) / (n + 1/2))`.
pub fn gauss_legendre(steps: usize) -> Vec<(f64, f64)> {
    let n = steps as f64;
    let each = |step: usize| {
        let mut at = (std::f64::consts::PI * (step as f64 + 0.75) / (n + 0.5)).cos();
        let mut derivative = 1.0;
        for _ in 0..100 {
            let [value, before] = legendre(steps, at);
            derivative = n * (at * value - before) / (at * at - 1.0);
            let move_by = value / derivative;
            at -= move_by;
            if move_by.abs() < 1e-15 {
                break;
            }
        }
        let weight = 2.0 / ((1.0 - at * at) * derivative * derivative);
        ((1.0 - at) / 2.0, weight / 2.0)
    };
    (0..steps).map(each).collect()
}

/// The Legendre polynomial of this degree at a place, and the one of a degree less.
fn legendre(degree: usize, at: f64) -> [f64; 2] {
    (1..=degree).fold([1.0, 0.0], |[value, before], degree| {
        let k = degree as f64;
        [
            ((2.0 * k - 1.0) * at * value - (k - 1.0) * before) / k,
            value,
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quadrature_is_exact_for_polynomials_below_twice_its_steps() {
        for steps in [1, 2, 3, 8, 50] {
            let points = gauss_legendre(steps);
            assert!(points.iter().all(|(place, _)| (0.0..1.0).contains(place)));
            for degree in 0..2 * steps {
                let power = |(place, weight): &(f64, f64)| weight * place.powi(degree as i32);
                let integral: f64 = points.iter().map(power).sum();
                let expected = 1.0 / (degree as f64 + 1.0);
                assert!(
                    (integral - expected).abs() < 1e-13,
                    "{steps} steps, degree {degree}: {integral}"
                );
            }
        }
    }
}
