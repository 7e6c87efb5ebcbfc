//! pgvector's vectors in binary, as `vector_send` and `halfvec_send` write them: two bytes with how many elements there are, two
//! that are 0, and the elements, 4 or 2 bytes each. All are big-endian.

use super::types::Scalar;
use crate::kernels::vectors::F16;

/// Appends the elements as floats of 4 bytes, little-endian; `None` when the bytes aren't a vector's.
pub(super) fn write(out: &mut Vec<u8>, scalar: Scalar, cell: &[u8]) -> Option<()> {
    let (&[high, low, 0, 0], elements) = cell.split_first_chunk::<4>()? else { return None };
    let count = usize::from(u16::from_be_bytes([high, low]));
    let start = out.len();
    out.resize(start + 4 * count, 0);
    let (places, _) = out[start..].as_chunks_mut::<4>();
    match scalar {
        Scalar::Vector => fill(places, elements, |element| f32::from_be_bytes(*element)),
        Scalar::Halfvec => fill(places, elements, |element| F16(u16::from_be_bytes(*element)).to_f32()),
        _ => None,
    }
}

fn fill<const N: usize>(places: &mut [[u8; 4]], elements: &[u8], read: impl Fn(&[u8; N]) -> f32) -> Option<()> {
    let (elements, []) = elements.as_chunks::<N>() else { return None };
    if elements.len() != places.len() {
        return None;
    }
    for (place, element) in places.iter_mut().zip(elements) {
        *place = read(element).to_le_bytes();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(scalar: Scalar, cell: &[u8]) -> Option<Vec<f32>> {
        let mut out = vec![7];
        write(&mut out, scalar, cell)?;
        Some(out[1..].chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect())
    }

    #[test]
    fn elements_of_both_widths_are_floats_and_other_lengths_are_none() {
        let vector = [0, 2, 0, 0, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0];
        let half = [0, 3, 0, 0, 0x3c, 0, 0xc1, 0, 0, 1];
        assert_eq!(read(Scalar::Vector, &vector), Some(vec![1.0, -2.5]));
        assert_eq!(read(Scalar::Halfvec, &half), Some(vec![1.0, -2.5, 2.0_f32.powi(-24)]));
        assert_eq!(read(Scalar::Vector, &[0; 4]), Some(Vec::new()));
        for (scalar, cell) in [(Scalar::Vector, &vector[..]), (Scalar::Halfvec, &half[..])] {
            for end in 0..cell.len() {
                assert_eq!(read(scalar, &cell[..end]), None, "cut at {end}");
            }
            assert_eq!(read(scalar, &[cell, &[0]].concat()), None);
        }
        assert_eq!(read(Scalar::Vector, &[0, 1, 0, 1, 0, 0, 0, 0]), None, "a head of later versions");
        assert_eq!(read(Scalar::Vector, &half), None);
    }
}
