//! Both gradients image by image, from a gradient of the output that is computed for one image at a time: it stays in the caches, where
//! the gradient of the weight and that of the input find it.

use super::backward_input::InputGradient;
use super::backward_weight::ByImages;
use crate::ConvShape;
use crate::buffer::Buffer;
use crate::conv::PixelGradient;
use crate::parallel::{Shared, for_each};
use crate::simd::Level;

/// Images that keep the threads busy.
const IMAGES: usize = 8;

/// Bytes of the input and the output together from which storing a gradient costs more than it brings.
const LARGE: usize = 8 << 20;

/// Whether this way is the faster one (measured).
pub(crate) fn takes_images(shape: &ConvShape) -> bool {
    let numbers = shape.input_len() + shape.output_len();
    shape.batch >= IMAGES && numbers * size_of::<f32>() >= LARGE
}

/// The gradients of the weight and, where it is wanted, of the input.
pub(crate) fn backward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    gradient: &dyn PixelGradient,
    dw: &mut [f32],
    dx: Option<&mut [f32]>,
) {
    let level = Level::current();
    let pixels = shape.out_height() * shape.out_width();
    let image_len = shape.height * shape.width * shape.channels_in;
    let of_weight = ByImages::new(level, shape);
    let of_input = dx.map(|dx| (InputGradient::new(level, shape, weight), Shared::new(dx)));
    let len = of_weight.sums_len();
    let mut sums = Buffer::zeros(shape.batch * len);
    let shared = Shared::new(&mut sums);
    for_each(shape.batch, |image| {
        let mut dy = Buffer::unspecified(pixels * shape.channels_out);
        gradient.compute(level, image * pixels..(image + 1) * pixels, &mut dy);
        let x = &x[image * image_len..][..image_len];
        // SAFETY: each image has its own sums.
        let sums = unsafe { std::slice::from_raw_parts_mut(shared.get().add(image * len), len) };
        of_weight.add(x, &dy, sums);
        if let Some((input, dx)) = &of_input {
            // SAFETY: each part writes its own image.
            let dx = unsafe {
                std::slice::from_raw_parts_mut(dx.get().add(image * image_len), image_len)
            };
            input.image(&dy, dx);
        }
    });
    of_weight.finish(&sums, dw);
}
