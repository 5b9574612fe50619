//! Counters of a shard, by name. All are monotonic; docs/control-socket.md explains each.

use sfu::room::Stats;
use std::collections::BTreeMap;

macro_rules! counters {
    ($($name:ident),* $(,)?) => {
        /// What a shard counts besides its rooms.
        #[derive(Debug, Default, Clone)]
        pub struct Counters {
            $(pub $name: u64,)*
            /// Rooms that are closed count on in here.
            pub rooms: Stats,
        }

        impl Counters {
            /// Adds all figures to `sums`; `live` are the rooms that are open.
            pub fn add_to<'a>(&self, live: impl Iterator<Item = Stats> + 'a, sums: &mut BTreeMap<String, u64>) {
                $(*sums.entry(stringify!($name).into()).or_default() += self.$name;)*
                for stats in live.chain(std::iter::once(self.rooms)) {
                    stats.each(|name, value| *sums.entry(name.into()).or_default() += value);
                }
            }
        }
    };
}

counters! {
    udp_in, udp_in_bytes, udp_out, udp_out_messages, send_errors, seal_errors, recv_errors,
    stun_in, stun_out, stun_malformed, stun_unknown, stun_refused, stun_limited,
    dtls_in, dtls_connected, dtls_failed, rtcp_in, rtcp_out,
    drop_unknown_address, drop_before_keys, drop_auth, drop_replay, drop_other, drop_rtcp,
    leg_opened, leg_lost, address_moved, event_overflow,
}
