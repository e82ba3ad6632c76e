//! The camera: a build with the feature `camera` gives its pictures, any other says that it has none.

use countersign_proto::desktop::Trouble;

/// Gives pictures until nobody reads on.
///
/// # Errors
///
/// [`Trouble::NotBuilt`].
#[cfg(not(feature = "camera"))]
pub(crate) fn take() -> Result<(), Trouble> {
    Err(Trouble::NotBuilt)
}

#[cfg(feature = "camera")]
pub(crate) use with_camera::take;

#[cfg(feature = "camera")]
mod with_camera {
    use countersign_proto::{
        desktop::encode_texts,
        limits::{PICTURE_BYTES, PICTURE_DOTS},
    };
    use v4l::{
        Device, FourCC, buffer::Type, io::traits::CaptureStream as _, prelude::MmapStream,
        video::Capture as _,
    };
    use zeroize::Zeroizing;

    use super::Trouble;
    use crate::give;

    /// The cameras that are tried, in this order: /dev/video0 and the ones after it.
    const CAMERAS: usize = 8;
    /// Pictures that the driver may fill ahead of us.
    const BUFFERS: u32 = 4;
    /// Pictures at a time are dropped between two that are given: the reader looks at a few in a second.
    const EVERY: u32 = 5;

    /// What the bytes of a picture are.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Shape {
        /// A shade, then a colour difference, for each dot.
        Yuyv,
        /// A shade for each dot.
        Grey,
    }

    /// Gives pictures until nobody reads on.
    ///
    /// # Errors
    ///
    /// [`Trouble::NoCamera`].
    pub(crate) fn take() -> Result<(), Trouble> {
        let (device, shape, width, height) =
            (0..CAMERAS).find_map(open).ok_or(Trouble::NoCamera)?;
        let mut stream = MmapStream::with_buffers(&device, Type::VideoCapture, BUFFERS)
            .map_err(|_refused| Trouble::NoCamera)?;
        let mut count = 0_u32;
        loop {
            let (bytes, _about) = stream.next().map_err(|_gone| Trouble::NoCamera)?;
            count = count.wrapping_add(1);
            if count % EVERY != 1 {
                continue;
            }
            let picture = png(shape, width, height, bytes).ok_or(Trouble::NoCamera)?;
            if picture.len() > PICTURE_BYTES {
                return Err(Trouble::TooLarge);
            }
            let mut out = Zeroizing::new(Vec::new());
            encode_texts([picture.as_slice()], &mut out);
            // Whoever has found a code reads no further.
            if give(&out).is_err() {
                return Ok(());
            }
        }
    }

    /// A camera that gives pictures of a shape that is read here.
    fn open(index: usize) -> Option<(Device, Shape, usize, usize)> {
        let device = Device::new(index).ok()?;
        for (code, shape) in [(b"YUYV", Shape::Yuyv), (b"GREY", Shape::Grey)] {
            let mut wanted = device.format().ok()?;
            wanted.fourcc = FourCC::new(code);
            let Ok(given) = device.set_format(&wanted) else {
                continue;
            };
            if given.fourcc == FourCC::new(code) {
                let width = usize::try_from(given.width).ok()?;
                let height = usize::try_from(given.height).ok()?;
                return Some((device, shape, width, height));
            }
        }
        None
    }

    /// The shades of a picture as PNG; nothing if there are too many or too few bytes for it.
    fn png(shape: Shape, width: usize, height: usize, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let dots = width.checked_mul(height)?;
        if dots == 0 || u64::try_from(dots).ok()? > PICTURE_DOTS {
            return None;
        }
        let step = match shape {
            Shape::Yuyv => 2,
            Shape::Grey => 1,
        };
        let shades: Zeroizing<Vec<u8>> =
            Zeroizing::new(bytes.iter().step_by(step).take(dots).copied().collect());
        if shades.len() != dots {
            return None;
        }
        let mut picture = Zeroizing::new(Vec::new());
        let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
        let mut encoder = png::Encoder::new(&mut *picture, width, height);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().ok()?;
        writer.write_image_data(&shades).ok()?;
        writer.finish().ok()?;
        Some(picture)
    }

    #[cfg(test)]
    mod tests {
        use qrcode::{Color, QrCode};

        use super::*;
        use crate::{codes, picture};

        #[test]
        fn a_code_before_the_camera_is_read() {
            let code = QrCode::new("otpauth://totp/a?secret=JBSWY3DPEHPK3PXP").unwrap();
            let (scale, margin) = (4, 16);
            let side = code.width() * scale + 2 * margin;
            let mut shades = vec![235_u8; side * side];
            for (y, row) in shades.chunks_mut(side).enumerate() {
                for (x, dot) in row.iter_mut().enumerate() {
                    let module = |at: usize| at.checked_sub(margin).map(|at| at / scale);
                    let (Some(column), Some(line)) = (module(x), module(y)) else {
                        continue;
                    };
                    if column < code.width()
                        && line < code.width()
                        && code[(column, line)] == Color::Dark
                    {
                        *dot = 16;
                    }
                }
            }
            let yuyv: Vec<u8> = shades.iter().flat_map(|shade| [*shade, 128]).collect();
            for (shape, bytes) in [(Shape::Grey, &shades), (Shape::Yuyv, &yuyv)] {
                let picture = png(shape, side, side, bytes).unwrap();
                let texts = codes::read(&picture::decode(&picture).unwrap());
                assert_eq!(texts.len(), 1, "{shape:?}");
                assert!(texts[0].starts_with(b"otpauth://totp/a"), "{shape:?}");
                assert_eq!(png(shape, side, side, &bytes[2..]), None, "too short");
            }
            assert_eq!(png(Shape::Grey, 1 << 20, 1 << 20, &[]), None);
            assert_eq!(png(Shape::Grey, 0, 5, &[]), None);
        }
    }
}
