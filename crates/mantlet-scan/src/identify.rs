//! Recognizes content by what it is, never by its name, and names the reader that judges it.

use crate::{
    Format, Input, Rule,
    container::{sevenz, stream, tar, zip},
    format, numpy, pickle,
    scan::{Scan, Stop},
};

/// How one format is recognized and judged.
pub(crate) struct Reader {
    /// What it is called in a report.
    pub(crate) format: Format,
    /// Looks at little of the content. `true` means that no other reader needs to be asked.
    pub(crate) recognizes: fn(&Input<'_>) -> Result<bool, Stop>,
    /// Judges all of the content.
    pub(crate) scan: fn(&Input<'_>, &mut Scan<'_>) -> Result<(), Stop>,
    /// What is found where `scan` ends with [`Stop::Cut`] or [`Stop::Malformed`].
    pub(crate) malformed: &'static Rule,
    /// Whether clean files of this format are still never loaded, because the format can carry code.
    pub(crate) can_carry_code: bool,
}

/// Archives are looked for at the end of content too, whatever it begins with.
static ARCHIVES: &[Reader] = &[
    // Before zip: the last member of a tar archive may be a zip archive.
    Reader {
        format: Format::Tar,
        recognizes: tar::recognizes,
        scan: tar::scan,
        malformed: &tar::MALFORMED,
        can_carry_code: false,
    },
    Reader {
        format: Format::Zip,
        recognizes: zip::recognizes,
        scan: zip::scan,
        malformed: &zip::MALFORMED,
        can_carry_code: false,
    },
];

/// Archives with a signature, streams, arrays and pickles, in the order in which they are asked.
static READERS: &[Reader] = &[
    Reader {
        format: Format::SevenZip,
        recognizes: sevenz::recognizes,
        scan: sevenz::scan,
        malformed: &sevenz::MALFORMED,
        can_carry_code: false,
    },
    Reader {
        format: Format::Compressed,
        recognizes: stream::recognizes,
        scan: stream::scan,
        malformed: &stream::MALFORMED,
        can_carry_code: false,
    },
    Reader {
        format: Format::Npy,
        recognizes: numpy::recognizes,
        scan: numpy::scan,
        malformed: &numpy::MALFORMED,
        can_carry_code: false,
    },
    // Old protocols have no signature and are tried, so they come last.
    Reader {
        format: Format::Pickle,
        recognizes: pickle::recognizes,
        scan: pickle::scan,
        malformed: &pickle::MALFORMED,
        can_carry_code: true,
    },
];

/// The reader for some content: those that have a signature are asked first, then those that must look at more.
pub(crate) fn identify(input: &Input<'_>) -> Result<Option<&'static Reader>, Stop> {
    let readers = ARCHIVES.iter().chain(format::SIGNED).chain(READERS).chain(format::STRUCTURED);
    for reader in readers {
        if (reader.recognizes)(input)? {
            return Ok(Some(reader));
        }
    }
    Ok(None)
}
