//! What cases are made of: numbers that look random, and mutations of what is known to be hard.

/// Vigna's splitmix64, behind bytes that are given.
pub(crate) struct Random {
    state: u64,
    given: Vec<u8>,
    taken: usize,
}

impl Random {
    /// The numbers of one case: the same for the same seed and number.
    pub(crate) fn of_case(seed: u64, case: u64) -> Self {
        let state = seed ^ case.wrapping_mul(0xd6e8_feb8_6659_fd93);
        let mut random = Self { state, given: Vec::new(), taken: 0 };
        random.state = random.next();
        random
    }

    /// Numbers of these bytes, and behind their end always the same ones.
    #[allow(dead_code, reason = "of `guided` and the tests")]
    pub(crate) fn of_bytes(given: &[u8]) -> Self {
        Self { state: 0, given: given.to_vec(), taken: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.draw::<8>()
    }

    /// A number whose upper `N` bytes are the next ones that are given, or one of 64 bits.
    fn draw<const N: usize>(&mut self) -> u64 {
        if let Some(given) = self.given[self.taken..].first_chunk::<N>() {
            self.taken += N;
            return given.iter().enumerate().map(|(at, &byte)| u64::from(byte) << (56 - 8 * at)).sum();
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`, which is above 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // No more bytes than it takes: changing one of them then changes one decision.
        let number = if end <= 1 << 8 { self.draw::<1>() } else { self.next() };
        ((u128::from(number) * end as u128) >> 64) as usize
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A number below `end`, once in so many times below another one.
    pub(crate) fn below_or(&mut self, end: usize, times: usize, other: usize) -> usize {
        let end = if self.once_in(times) { other } else { end };
        self.below(end)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A length: mostly short, at times around the blocks of lanes, seldom an embedding's.
    pub(crate) fn length(&mut self) -> usize {
        match self.below(64) {
            0 => self.pick(&[255, 256, 257, 768, 1536]),
            1..16 => self.pick(&[0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 129]),
            _ => self.below(100),
        }
    }

    /// From 0 up to, not including, 1.
    pub(crate) fn share(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// A float: one that programs have, one at a border, any bits at all.
    pub(crate) fn float(&mut self) -> f32 {
        const BORDERS: [u32; 20] = [
            0,           // 0
            0x8000_0000, // -0
            1,           // the smallest subnormal one
            0x8000_0001,
            0x007f_ffff, // the largest
            0x0080_0000, // the smallest normal one
            0x8080_0000,
            0x3f80_0000, // 1
            0xbf80_0000,
            0x3f7f_ffff,
            0x3f80_0001,
            0x7f7f_ffff, // the largest
            0xff7f_ffff,
            0x7f80_0000, // infinity
            0xff80_0000,
            0x7fc0_0000, // NaN
            0xffc0_0001,
            0x7f80_0001, // one that signals
            0x1f80_0000, // its square is the smallest normal one
            0x1a80_0000, // its square is subnormal
        ];
        match self.below(16) {
            0..9 => 4.0 * self.share() - 2.0,
            9..13 => f32::from_bits(self.next() as u32),
            13 => f32::from_bits(self.pick(&BORDERS)),
            14 => f32::from_bits(self.pick(&BORDERS).wrapping_add(self.below(5) as u32).wrapping_sub(2)),
            _ => f32::from_bits(1 << self.below(32)),
        }
    }

    /// A float of 16 bits, of which this is infinity: any bits at all, one at a border, or of one bit.
    pub(crate) fn half(&mut self, infinity: u16) -> u16 {
        let smallest_normal = infinity & infinity.wrapping_neg();
        let border = self.pick(&[0, smallest_normal, infinity]).wrapping_add(self.below(5) as u16).wrapping_sub(2);
        match self.below(4) {
            0 => border,
            1 => border ^ 0x8000,
            2 => 1 << self.below(16),
            _ => self.next() as u16,
        }
    }

    /// Floats as [`Random::fill_of`] mixes them.
    pub(crate) fn fill(&mut self, floats: &mut [f32]) {
        self.fill_of(floats, |random| 2.0 * random.share() - 1.0, Self::float);
    }

    /// Values of one kind: all tame, all but a few, or all odd.
    pub(crate) fn fill_of<T>(&mut self, values: &mut [T], tame: impl Fn(&mut Self) -> T, odd: impl Fn(&mut Self) -> T) {
        let odd_once_in = self.pick(&[usize::MAX, usize::MAX, 50, 8, 1]);
        for value in values {
            *value = if odd_once_in == usize::MAX || !self.once_in(odd_once_in) { tame(self) } else { odd(self) };
        }
    }

    /// Changes bytes at a few places: bits, bytes, words of a dictionary, parts that are doubled, moved and cut.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>, words: &[&[u8]], bytes_max: usize) {
        for _ in 0..self.below(5) {
            let at = self.below(bytes.len() + 1);
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.next() as u8,
                2 => {
                    let end = (at + self.below(70)).min(bytes.len());
                    bytes.drain(at..end);
                }
                3 => {
                    let end = (at + self.below(40)).min(bytes.len());
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
                4 => bytes.truncate(at),
                _ => {
                    let word = words[self.below(words.len())];
                    bytes.splice(at..at, word.iter().copied());
                }
            }
            bytes.truncate(bytes_max);
        }
    }
}
