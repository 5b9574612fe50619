/**
 * Whether anything still arrives (field case W11). Browsers take five to eight seconds to call a silent path disconnected;
 * reading the counters once a second tells it sooner: three readings without a packet where media used to flow, six where only
 * the answers to consent checks (RFC 7675, one in 2.5 s) did. Counted in readings, not in time, so a computer that slept is not judged.
 */
const BUSY_LIMIT = 3;
const QUIET_LIMIT = 6;
/** Media flows when this many of the readings before the silence brought packets in a row. */
const BUSY_AFTER = 4;

interface Row {
  type: string;
  packetsReceived?: number;
  responsesReceived?: number;
  requestsReceived?: number;
}

export class Pulse {
  private total = -1;
  private silent = 0;
  private flowing = 0;

  /** One reading of the statistics; true when the path is to be given up. */
  read(report: Iterable<[string, unknown]>): boolean {
    let total = 0;
    for (const [, stat] of report) {
      const row = stat as Row;
      if (row.type === "candidate-pair") total += (row.responsesReceived ?? 0) + (row.requestsReceived ?? 0);
      else if (row.type === "inbound-rtp" || row.type === "transport") total += row.packetsReceived ?? 0;
    }
    const first = this.total < 0;
    const grew = total !== this.total;
    this.total = total;
    if (first || total === 0) return false;
    if (grew) {
      this.flowing = this.silent === 0 ? this.flowing + 1 : 1;
      this.silent = 0;
      return false;
    }
    this.silent += 1;
    return this.silent >= (this.flowing >= BUSY_AFTER ? BUSY_LIMIT : QUIET_LIMIT);
  }
}
