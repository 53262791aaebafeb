//! How the other machine is reached, and what may be asked of the line.

use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueHint};

use crate::sync::job::{Compress as MeantCompress, Congestion as MeantCongestion, Pace, Remote as Meant};

/// Flags about the far side.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reaching the other machine")]
pub struct Remote {
    /// The ssh command, with its options
    #[arg(short = 'e', long, value_name = "SSH", default_value = "ssh", value_hint = ValueHint::CommandString)]
    rsh: String,

    /// The program to start on the far side
    #[arg(long, value_name = "PROGRAM", default_value = "alike")]
    remote_bin: String,

    /// Give up on a peer that is silent for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,

    /// Send no more than so much a second, either side: in KiB, or with K, M or G
    #[arg(long, value_name = "RATE")]
    bwlimit: Option<Rate>,

    /// Pack what shrinks [default: fast, and off on one machine]
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "fast")]
    compress: Option<Compress>,

    /// Who decides how much is under way: a model of the path, or what TCP has
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    congestion: Congestion,
}

/// Bytes a second; none where there is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate(Option<NonZeroU64>);

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Rate, &'static str> {
        let wrong = "it takes KiB a second such as 500, or 2.5M; 0 is no limit";
        let (number, unit) = match text.as_bytes().last() {
            Some(b'k' | b'K') => (&text[..text.len() - 1], 1024.0),
            Some(b'm' | b'M') => (&text[..text.len() - 1], 1024.0 * 1024.0),
            Some(b'g' | b'G') => (&text[..text.len() - 1], 1024.0 * 1024.0 * 1024.0),
            _ => (text, 1024.0),
        };
        let is_plain = number.starts_with(|first: char| first.is_ascii_digit());
        let number: f64 = number.parse().ok().filter(|_| is_plain).ok_or(wrong)?;
        match number * unit {
            bytes if !bytes.is_finite() || bytes >= u64::MAX as f64 => Err(wrong),
            bytes => Ok(Rate(NonZeroU64::new(bytes as u64))),
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Compress {
    Off,
    Fast,
    Best,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Congestion {
    #[default]
    Auto,
    Cubic,
    Bbr,
}

impl Remote {
    /// What the job is asked.
    pub fn meant(&self) -> Meant {
        Meant {
            command: self.rsh.clone(),
            program: self.remote_bin.clone(),
            timeout: self.timeout.map(Duration::from_secs),
            compress: self.compress.map(|compress| match compress {
                Compress::Off => MeantCompress::Off,
                Compress::Fast => MeantCompress::Fast,
                Compress::Best => MeantCompress::Best,
            }),
            pace: Pace {
                congestion: match self.congestion {
                    Congestion::Auto => MeantCongestion::Auto,
                    Congestion::Cubic => MeantCongestion::Cubic,
                    Congestion::Bbr => MeantCongestion::Bbr,
                },
                limit: self.bwlimit.and_then(|Rate(limit)| limit),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kibibytes_or_has_a_unit() {
        let table = [("1", 1024), ("500", 512_000), ("1.5k", 1536), ("2M", 2 << 20), ("1g", 1 << 30)];
        for (text, bytes) in table {
            assert_eq!(text.parse(), Ok(Rate(NonZeroU64::new(bytes))), "{text}");
        }
        assert_eq!("0".parse(), Ok(Rate(None)));
        for wrong in ["", "k", "-1", "1t", "inf", "nan", "1e300", "5 m"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
