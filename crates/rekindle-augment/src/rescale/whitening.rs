//! Whitening: the linear maps after which channels are uncorrelated and of variance one.
//!
//! Owns: PCA and ZCA matrices from a covariance, and the eigenvectors below them, for any number of channels. It does not own
//! the covariance, nor the use of the matrices on images.
//!
//! With the covariance `C = V diag(d) V^T` of the colours of single pixels, eigenvectors as columns of `V`, the whitened colour
//! is `W (x - mean)`, where `W = diag(d + epsilon)^(-1/2) V^T` for PCA and `W = V diag(d + epsilon)^(-1/2) V^T` for ZCA; then
//! `W C W^T` is the identity, for an epsilon of 0.

/// The PCA whitening matrix: row `i` is the `i`-th eigenvector of the covariance, the largest eigenvalue first, divided by
/// `sqrt(eigenvalue + epsilon)`.
///
/// `matrix * (x - mean)` are principal components of variance one (less for eigenvalues near `epsilon`). An eigenvector has two
/// directions; the one whose entry of largest magnitude is positive is taken, as scikit-learn's `PCA(whiten=True)` does, which
/// the numbers were checked against.
///
/// `epsilon` is added to variances of values from 0 to 1; without it a channel that repeats the others would be divided by
/// zero. The covariance must be symmetric.
pub fn pca_whitening<const N: usize>(covariance: &[[f64; N]; N], epsilon: f64) -> [[f64; N]; N] {
    let Eigen { values, vectors } = eigen(covariance);
    std::array::from_fn(|row| {
        let scale = (values[row] + epsilon).sqrt();
        let largest = vectors[row].iter().copied().fold(0.0, |most: f64, entry| {
            if entry.abs() > most.abs() {
                entry
            } else {
                most
            }
        });
        let signed = if largest < 0.0 { -scale } else { scale };
        vectors[row].map(|entry| entry / signed)
    })
}

/// The ZCA whitening matrix: `V diag(1 / sqrt(eigenvalue + epsilon)) V^T`, `V` the eigenvectors of the covariance as columns.
///
/// Of all whitening maps it is the one that changes the values least, so channels stay what they were: red stays red. It is
/// symmetric. `epsilon` and the covariance are as in [`pca_whitening`].
///
/// Source: Bell and Sejnowski, "The independent components of natural scenes are edge filters" (1997); Kessy, Lewin and
/// Strimmer, "Optimal whitening and decorrelation" (2018). Checked against numpy.
pub fn zca_whitening<const N: usize>(covariance: &[[f64; N]; N], epsilon: f64) -> [[f64; N]; N] {
    let Eigen { values, vectors } = eigen(covariance);
    let entry = |row: usize, column: usize| -> f64 {
        let each = vectors.iter().zip(values);
        each.map(|(vector, value)| vector[row] * vector[column] / (value + epsilon).sqrt())
            .sum()
    };
    std::array::from_fn(|row| std::array::from_fn(|column| entry(row, column)))
}

struct Eigen<const N: usize> {
    /// Descending, none below zero.
    values: [f64; N],
    /// Of length one, a row each.
    vectors: [[f64; N]; N],
}

/// Most sweeps; a handful is enough for any symmetric matrix, since they converge quadratically.
const SWEEPS: usize = 60;

/// Eigenvalues and eigenvectors of a covariance by Jacobi's rotations.
///
/// Source: Golub and Van Loan, "Matrix Computations", section 8.5 (the cyclic algorithm).
fn eigen<const N: usize>(covariance: &[[f64; N]; N]) -> Eigen<N> {
    let mut matrix = *covariance;
    let mut vectors: [[f64; N]; N] =
        std::array::from_fn(|row| std::array::from_fn(|column| f64::from(row == column)));
    for _ in 0..SWEEPS {
        let off: f64 = (0..N)
            .flat_map(|row| (0..row).map(move |column| (row, column)))
            .map(|(row, column)| matrix[row][column].powi(2))
            .sum();
        let on: f64 = (0..N).map(|row| matrix[row][row].powi(2)).sum();
        if off <= 1e-34 * on {
            break;
        }
        for first in 0..N {
            for second in first + 1..N {
                rotate(&mut matrix, &mut vectors, first, second);
            }
        }
    }
    let mut order: [usize; N] = std::array::from_fn(|index| index);
    order.sort_by(|one, other| matrix[*other][*other].total_cmp(&matrix[*one][*one]));
    Eigen {
        // Rounding leaves a variance of zero a little to either side of it.
        values: order.map(|index| matrix[index][index].max(0.0)),
        vectors: order.map(|index| vectors[index]),
    }
}

/// The rotation of two axes that makes their entry off the diagonal zero.
fn rotate<const N: usize>(
    matrix: &mut [[f64; N]; N],
    vectors: &mut [[f64; N]; N],
    first: usize,
    second: usize,
) {
    let off = matrix[first][second];
    if off == 0.0 {
        return;
    }
    let theta = (matrix[second][second] - matrix[first][first]) / (2.0 * off);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let turn = |one: f64, other: f64| (cosine * one - sine * other, sine * one + cosine * other);
    for row in matrix.iter_mut() {
        (row[first], row[second]) = turn(row[first], row[second]);
    }
    for both in [&mut *matrix, vectors] {
        // The rows are two, as the caller's loops have it.
        let Ok([one_row, other_row]) = both.get_disjoint_mut([first, second]) else {
            return;
        };
        for (one, other) in one_row.iter_mut().zip(other_row) {
            (*one, *other) = turn(*one, *other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn product<const N: usize>(a: &[[f64; N]; N], b: &[[f64; N]; N]) -> [[f64; N]; N] {
        std::array::from_fn(|row| {
            std::array::from_fn(|column| (0..N).map(|inner| a[row][inner] * b[inner][column]).sum())
        })
    }

    fn transposed<const N: usize>(a: &[[f64; N]; N]) -> [[f64; N]; N] {
        std::array::from_fn(|row| std::array::from_fn(|column| a[column][row]))
    }

    #[test]
    fn independent_channels_are_only_divided() {
        let covariance = [[0.25, 0.0], [0.0, 4.0]];
        assert_eq!(zca_whitening(&covariance, 0.0), [[2.0, 0.0], [0.0, 0.5]]);
        assert_eq!(pca_whitening(&covariance, 0.0), [[0.0, 0.5], [2.0, 0.0]]);
    }

    #[test]
    fn grey_images_stay_finite() {
        let grey = [[0.1; 3]; 3];
        for matrix in [pca_whitening(&grey, 1e-5), zca_whitening(&grey, 1e-5)] {
            assert!(matrix.iter().flatten().all(|entry| entry.is_finite()));
        }
        assert!(
            zca_whitening(&[[0.0; 3]; 3], 1e-5)
                .iter()
                .flatten()
                .all(|entry| entry.is_finite())
        );
    }

    proptest! {
        #[test]
        fn whitened_channels_have_the_identity_as_covariance(
            factors in prop::array::uniform5(prop::array::uniform5(-1.0f64..1.0)), ridge in 0.05f64..1.0,
        ) {
            let mut covariance = product(&factors, &transposed(&factors));
            (0..5).for_each(|index| covariance[index][index] += ridge);
            for matrix in [pca_whitening(&covariance, 0.0), zca_whitening(&covariance, 0.0)] {
                let whitened = product(&product(&matrix, &covariance), &transposed(&matrix));
                for (place, found) in whitened.iter().flatten().enumerate() {
                    let expected = f64::from(place % 6 == 0);
                    prop_assert!((found - expected).abs() < 1e-9, "{:?}", whitened);
                }
            }
            let zca = zca_whitening(&covariance, 0.0);
            prop_assert!((0..5).all(|row| (0..row).all(|column| (zca[row][column] - zca[column][row]).abs() < 1e-9)));
        }
    }
}
