//! The arguments of one request: places in bytes that somebody else holds, so that reading a request copies nothing.

/// Where an argument lies. 32 bits do: a request is at most [`super::settings::REQUEST_BYTES_MOST`] long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= u32::MAX as usize);
        Self { start: start as u32, end: end as u32 }
    }
}

/// A command's name and arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    pub(crate) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Self { bytes, spans }
    }

    /// How many there are, the name among them.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The argument at a place; 0 is the command's name. Panics past the end: the arity was checked before.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> &'a [u8] {
        let span = self.spans[place];
        &self.bytes[span.start as usize..span.end as usize]
    }

    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<&'a [u8]> {
        (place < self.spans.len()).then(|| self.at(place))
    }

    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        self.spans.iter().map(move |span| &self.bytes[span.start as usize..span.end as usize])
    }

    /// Those from a place on.
    pub(crate) fn from(self, place: usize) -> Self {
        Self { bytes: self.bytes, spans: &self.spans[place.min(self.spans.len())..] }
    }

    /// Whether an argument is a word, in whatever case.
    #[inline]
    pub(crate) fn is(&self, place: usize, word: &str) -> bool {
        self.at(place).eq_ignore_ascii_case(word.as_bytes())
    }
}

/// A request that outlives the bytes it came in: one that waits for EXEC.
#[derive(Debug)]
pub(crate) struct Kept {
    bytes: Box<[u8]>,
    spans: Box<[Span]>,
}

impl Kept {
    pub(crate) fn new(args: Args<'_>) -> Self {
        let mut bytes = Vec::with_capacity(args.iter().map(<[u8]>::len).sum());
        let spans = args
            .iter()
            .map(|arg| {
                let start = bytes.len();
                bytes.extend_from_slice(arg);
                Span::new(start, bytes.len())
            })
            .collect();
        Self { bytes: bytes.into(), spans }
    }

    pub(crate) fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }

    /// What keeping a request takes.
    pub(crate) fn bytes_of(args: Args<'_>) -> usize {
        args.iter().map(|arg| arg.len() + size_of::<Span>()).sum()
    }
}
