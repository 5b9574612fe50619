//! What arrives, over the last half second of the receiver's clock.

const BUCKET: i64 = 50_000;
const BUCKETS: usize = 10;
/// Further back than this the receiver's clock has begun anew (its 24 bits wrap after twelve days).
const RESTART: i64 = 1_000;

/// Bytes by the time of their arrival.
#[derive(Default)]
pub(super) struct Throughput {
    bytes: [u64; BUCKETS],
    /// The newest bucket's number, and how many lie between the first packet and it.
    newest: Option<i64>,
    filled: usize,
}

impl Throughput {
    pub fn arrived(&mut self, at: i64, size: u32) {
        let bucket = at.div_euclid(BUCKET);
        match self.newest {
            Some(newest) if bucket <= newest - RESTART => {
                *self = Throughput { newest: Some(bucket), ..Throughput::default() };
            }
            Some(newest) if bucket <= newest - BUCKETS as i64 => return,
            Some(newest) if bucket <= newest => {}
            Some(newest) => {
                let steps = bucket - newest;
                for old in newest + 1..=newest + steps.min(BUCKETS as i64) {
                    self.bytes[place(old + (steps - BUCKETS as i64).max(0))] = 0;
                }
                self.newest = Some(bucket);
                self.filled = (self.filled + steps.min(BUCKETS as i64) as usize).min(BUCKETS);
            }
            None => self.newest = Some(bucket),
        }
        self.bytes[place(bucket)] += u64::from(size);
    }

    /// Bits per second; `None` until the window is full. The newest bucket is still filling and is left out.
    pub fn rate(&self) -> Option<f64> {
        let newest = self.newest.filter(|_| self.filled == BUCKETS)?;
        let bytes: u64 = self.bytes.iter().sum::<u64>() - self.bytes[place(newest)];
        Some(bytes as f64 * 8e6 / ((BUCKETS as i64 - 1) * BUCKET) as f64)
    }
}

fn place(bucket: i64) -> usize {
    bucket.rem_euclid(BUCKETS as i64) as usize
}
