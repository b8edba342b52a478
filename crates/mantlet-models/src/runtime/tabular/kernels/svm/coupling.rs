//! Class probabilities from pairwise ones: the second method of Wu, Lin and Weng, "Probability estimates for
//! multi-class classification by pairwise coupling", JMLR 5 (2004), in 32-bit floats as onnxruntime computes it.

/// Rounds before giving up on convergence.
const ROUNDS_MAX: usize = 100;

/// The probability of each class; `pairwise` has, for i < j in order, the probability of i against j.
pub(super) fn couple(classes: usize, pairwise: &[f32]) -> Vec<f32> {
    let q = coefficients(classes, pairwise);
    #[expect(clippy::cast_precision_loss, reason = "the number of classes is below 2^12")]
    let count = classes as f32;
    let mut p = vec![1.0 / count; classes];
    for _ in 0..ROUNDS_MAX {
        let mut qp: Vec<f32> =
            q.chunks_exact(classes).map(|row| row.iter().zip(&p).map(|(q, p)| q * p).sum()).collect();
        let mut pqp: f32 = p.iter().zip(&qp).map(|(p, qp)| p * qp).sum();
        if qp.iter().all(|value| (value - pqp).abs() < 0.005 / count) {
            break;
        }
        for i in 0..classes {
            let row = &q[i * classes..(i + 1) * classes];
            let step = (pqp - qp[i]) / row[i];
            p[i] += step;
            let scale = 1.0 + step;
            pqp = (pqp + step * (step * row[i] + 2.0 * qp[i])) / scale / scale;
            for j in 0..classes {
                qp[j] = (qp[j] + step * row[j]) / scale;
                p[j] /= scale;
            }
        }
    }
    p
}

/// The matrix Q of the paper's equation 22: squares of the others' wins on the diagonal, products beside it.
fn coefficients(classes: usize, pairwise: &[f32]) -> Vec<f32> {
    let mut r = vec![0.0; classes * classes];
    let mut next = pairwise.iter();
    for i in 0..classes {
        for j in i + 1..classes {
            let probability = next.next().copied().unwrap_or(0.5);
            r[i * classes + j] = probability;
            r[j * classes + i] = 1.0 - probability;
        }
    }
    let mut q = vec![0.0; classes * classes];
    for i in 0..classes {
        for j in (0..classes).filter(|j| *j != i) {
            let (lost, won) = (r[j * classes + i], r[i * classes + j]);
            q[i * classes + i] += lost * lost;
            q[i * classes + j] = -lost * won;
        }
    }
    q
}
