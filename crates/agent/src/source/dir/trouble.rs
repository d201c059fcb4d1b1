//! What can be wrong with the folder, as findings.

use std::fmt::Display;
use std::path::Path;

use model::{Finding, FindingCode, Severity};

fn finding(code: FindingCode, severity: Severity, subject: String, message: String) -> Finding {
    Finding {
        code,
        severity,
        subject,
        message,
        evidence: Vec::new(),
        advice: String::new(),
        fixable: false,
    }
}

fn subject(file: &Path) -> String {
    // The folder itself has no name in it.
    let unnamed = file.as_os_str().is_empty();
    if unnamed { "folder of manifests".to_owned() } else { format!("file {}", file.display()) }
}

/// Something wrong with a file or an object in it.
pub(super) fn in_file(
    file: &Path,
    severity: Severity,
    message: impl Display,
    advice: &str,
) -> Finding {
    Finding {
        advice: advice.to_owned(),
        ..finding(FindingCode::InvalidObject, severity, subject(file), message.to_string())
    }
}

/// A file or a sub-folder that cannot be read.
pub(super) fn unreadable(file: &Path, message: impl Display, advice: &str) -> Finding {
    Finding {
        advice: advice.to_owned(),
        ..finding(
            FindingCode::SourceUnavailable,
            Severity::Error,
            subject(file),
            message.to_string(),
        )
    }
}

/// The whole folder cannot be used.
pub(super) fn unavailable(folder: &Path, reason: &str) -> Finding {
    Finding {
        advice: "bring the folder and its files back, then it goes on by itself; until then \
                 everything stays as it is (if the folder is empty on purpose, say --allow-empty)"
            .to_owned(),
        ..finding(
            FindingCode::SourceUnavailable,
            Severity::Error,
            format!("folder {}", folder.display()),
            format!("the source is unavailable: {reason}"),
        )
    }
}

/// Changes may go unnoticed.
pub(super) fn unwatched(folder: &Path, error: &dyn Display) -> Finding {
    Finding {
        advice: "raise the sysctl fs.inotify.max_user_watches; until then the folder is read anew \
                 every second"
            .to_owned(),
        ..finding(
            FindingCode::SourceUnavailable,
            Severity::Warning,
            subject(folder),
            format!("changes cannot be watched: {error}"),
        )
    }
}
