//! Whether the SQLite that is linked is safe for files in WAL mode.
//!
//! Its version is known at run time only: another crate of the program, or its build environment, may have chosen which one is linked.

use crate::store::sqlite::OpenError;

/// SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when two connections checkpoint at once. These are the first releases with the
/// fix, of 3.44, of 3.50, and of the main line.
const FIXED: [i32; 2] = [3_044_006, 3_050_007];
const FIXED_SINCE: i32 = 3_051_003;

/// The version as a number, `3_051_003` for 3.51.3, and as text.
pub(super) fn check(version: i32, found: &'static str) -> Result<(), OpenError> {
    let fixed_by = |first: &i32| version / 1_000 == first / 1_000 && version >= *first;
    if version >= FIXED_SINCE || FIXED.iter().any(fixed_by) { Ok(()) } else { Err(OpenError::SqliteTooOld { found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_with_the_defect_are_refused() {
        for safe in [3_044_006, 3_050_007, 3_051_003, 3_053_000, 4_000_000] {
            assert!(check(safe, "").is_ok(), "{safe}");
        }
        for defective in [3_040_000, 3_044_005, 3_045_007, 3_046_000, 3_050_006, 3_051_002] {
            assert!(check(defective, "").is_err(), "{defective}");
        }
        let error = check(3_046_000, "3.46.0").unwrap_err().to_string();
        assert!(error.starts_with("SQLite 3.46.0 is linked") && error.contains("3.51.3 or newer"), "{error}");
    }
}
