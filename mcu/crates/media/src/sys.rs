//! System calls that the standard library lacks: the only `unsafe` code of the engine.
//!
//! recvmmsg and sendmmsg with UDP generic segmentation offload (udp(7), `UDP_SEGMENT`), epoll, eventfd, interface addresses,
//! "don't fragment" sockets, signals as a descriptor, and process CPU time. Linux only.
//!
//! Generic receive offload is not used: with many browsers each sends one packet at a time, and the coalesced buffers would
//! have to be copied apart again.

use std::io;
use std::mem::{size_of, zeroed, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Datagrams per receive call.
pub const RECV_BATCH: usize = 64;
/// Bytes kept of a received datagram.
pub const RECV_SIZE: usize = 2048;
/// Outgoing datagrams per flush.
pub const SEND_BATCH: usize = 512;
/// Room for one outgoing datagram.
pub const SEND_SIZE: usize = 2048 + 64;
/// Segments per GSO message: the kernel takes 64, and 64 KiB in all.
const GSO_SEGMENTS: usize = 40;
const GSO_BYTES: usize = 60_000;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// A socket address as the kernel takes it, big enough for IPv4 and IPv6.
#[derive(Clone, Copy)]
pub struct RawAddr {
    storage: libc::sockaddr_in6,
    len: libc::socklen_t,
}

impl RawAddr {
    const fn empty() -> Self {
        // SAFETY: sockaddr_in6 is plain data; all zeroes are valid.
        RawAddr { storage: unsafe { zeroed() }, len: 0 }
    }

    /// The address back in the standard library's form.
    pub fn to_std(&self) -> Option<SocketAddr> {
        match libc::c_int::from(self.storage.sin6_family) {
            libc::AF_INET => {
                // SAFETY: the kernel wrote (or `from` wrote) a sockaddr_in here; it is smaller than sockaddr_in6.
                let v4: libc::sockaddr_in = unsafe { std::ptr::read((&raw const self.storage).cast()) };
                let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
            }
            libc::AF_INET6 => {
                let v6 = &self.storage;
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Some(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id)))
            }
            _ => None,
        }
    }

    fn ptr(&self) -> *mut libc::c_void {
        (&raw const self.storage).cast_mut().cast()
    }
}

impl From<SocketAddr> for RawAddr {
    fn from(address: SocketAddr) -> Self {
        let mut raw = RawAddr::empty();
        match address {
            SocketAddr::V4(v4) => {
                // SAFETY: all zeroes are a valid sockaddr_in.
                let mut a: libc::sockaddr_in = unsafe { zeroed() };
                a.sin_family = libc::AF_INET as libc::sa_family_t;
                a.sin_port = v4.port().to_be();
                a.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
                // SAFETY: sockaddr_in fits into sockaddr_in6 and needs no stricter alignment.
                unsafe { std::ptr::write((&raw mut raw.storage).cast(), a) };
                raw.len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
            SocketAddr::V6(v6) => {
                raw.storage.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                raw.storage.sin6_port = v6.port().to_be();
                raw.storage.sin6_addr.s6_addr = v6.ip().octets();
                raw.storage.sin6_scope_id = v6.scope_id();
                raw.len = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            }
        }
        raw
    }
}

/// Buffers of one receive call. The kernel's structures point into the boxes, which never move.
pub struct RecvBatch {
    data: Box<[[u8; RECV_SIZE]]>,
    names: Box<[RawAddr]>,
    iov: Box<[libc::iovec]>,
    messages: Box<[libc::mmsghdr]>,
}

// SAFETY: the raw pointers inside lead only into the boxes that travel along.
unsafe impl Send for RecvBatch {}

impl Default for RecvBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl RecvBatch {
    pub fn new() -> Self {
        // SAFETY: iovec and mmsghdr are plain C data; all zeroes are valid.
        let (iov, message): (libc::iovec, libc::mmsghdr) = unsafe { (zeroed(), zeroed()) };
        let mut batch = RecvBatch {
            data: vec![[0; RECV_SIZE]; RECV_BATCH].into_boxed_slice(),
            names: vec![RawAddr::empty(); RECV_BATCH].into_boxed_slice(),
            iov: vec![iov; RECV_BATCH].into_boxed_slice(),
            messages: vec![message; RECV_BATCH].into_boxed_slice(),
        };
        for n in 0..RECV_BATCH {
            batch.iov[n] = libc::iovec { iov_base: batch.data[n].as_mut_ptr().cast(), iov_len: RECV_SIZE };
            let header = &mut batch.messages[n].msg_hdr;
            header.msg_name = batch.names[n].ptr();
            header.msg_iov = &raw mut batch.iov[n];
            header.msg_iovlen = 1;
        }
        batch
    }

    /// Receives what is there, at most `RECV_BATCH` datagrams, without waiting. 0 when there is nothing.
    ///
    /// # Errors
    /// Any other error of recvmmsg(2).
    pub fn recv(&mut self, socket: &impl AsRawFd) -> io::Result<usize> {
        for message in &mut self.messages {
            message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        }
        let messages = self.messages.as_mut_ptr();
        // SAFETY: RECV_BATCH headers with valid name and data buffers, set up in `new`; the boxes have not moved.
        let got = unsafe {
            let none = std::ptr::null_mut();
            libc::recvmmsg(socket.as_raw_fd(), messages, RECV_BATCH as u32, libc::MSG_DONTWAIT as _, none)
        };
        match check(got) {
            Ok(n) => {
                for (name, message) in self.names.iter_mut().zip(&self.messages).take(n as usize) {
                    name.len = message.msg_hdr.msg_namelen; // so that it can be answered to
                }
                Ok(n as usize)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock || e.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(e) => Err(e),
        }
    }

    /// The `n`th datagram of the last call.
    #[inline]
    pub fn datagram(&self, n: usize) -> (&[u8], &RawAddr) {
        let length = (self.messages[n].msg_len as usize).min(RECV_SIZE);
        (&self.data[n][..length], &self.names[n])
    }

    /// The same with the address in the standard library's form.
    pub fn packet(&self, n: usize) -> (&[u8], SocketAddr) {
        let (data, from) = self.datagram(n);
        (data, from.to_std().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0))))
    }
}

#[repr(align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 32]);

/// What a flush did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Flushed {
    pub datagrams: u64,
    pub messages: u64,
    pub errors: u64,
}

/// Outgoing datagrams of one socket, written in place; runs of equal size to one destination leave as one GSO message.
pub struct SendBatch {
    data: Box<[[u8; SEND_SIZE]]>,
    lengths: Box<[usize]>,
    names: Box<[RawAddr]>,
    run: Box<[u32]>,
    iov: Box<[libc::iovec]>,
    messages: Box<[libc::mmsghdr]>,
    control: Box<[Control]>,
    count: usize,
    gso: bool,
}

// SAFETY: as for RecvBatch.
unsafe impl Send for SendBatch {}

impl SendBatch {
    pub fn new(gso: bool) -> Self {
        // SAFETY: plain C data; all zeroes are valid.
        let (iov, message): (libc::iovec, libc::mmsghdr) = unsafe { (zeroed(), zeroed()) };
        SendBatch {
            data: vec![[0; SEND_SIZE]; SEND_BATCH].into_boxed_slice(),
            lengths: vec![0; SEND_BATCH].into_boxed_slice(),
            names: vec![RawAddr::empty(); SEND_BATCH].into_boxed_slice(),
            run: vec![0; SEND_BATCH].into_boxed_slice(),
            iov: vec![iov; SEND_BATCH].into_boxed_slice(),
            messages: vec![message; SEND_BATCH].into_boxed_slice(),
            control: vec![Control([0; 32]); SEND_BATCH].into_boxed_slice(),
            count: 0,
            gso,
        }
    }

    pub fn is_full(&self) -> bool {
        self.count == SEND_BATCH
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The place for the next datagram. The batch must not be full.
    #[inline]
    pub fn place(&mut self) -> &mut [u8] {
        &mut self.data[self.count]
    }

    /// Takes the `length` bytes in the place as a datagram to `to`. `run` tells equal destinations apart cheaply: two
    /// neighbours with the same value go to the same address.
    #[inline]
    pub fn commit(&mut self, length: usize, to: &RawAddr, run: u32) {
        debug_assert!(length <= SEND_SIZE);
        self.names[self.count] = *to;
        self.lengths[self.count] = length.min(SEND_SIZE);
        self.run[self.count] = run;
        self.count += 1;
    }

    /// Sends everything. A full socket buffer or an unreachable peer loses datagrams, as on any wire.
    pub fn flush(&mut self, socket: &impl AsRawFd) -> Flushed {
        let mut result = Flushed::default();
        let messages = self.prepare();
        let mut at = 0;
        while at < messages {
            let (from, left) = (self.messages[at..].as_mut_ptr(), (messages - at) as u32);
            // SAFETY: `left` headers from `at` on were filled by `prepare`, pointing into boxes that have not moved.
            let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), from, left, libc::MSG_DONTWAIT as _) };
            if sent <= 0 {
                result.errors += self.messages[at].msg_hdr.msg_iovlen as u64;
                at += 1;
                if io::Error::last_os_error().raw_os_error() == Some(libc::EIO) {
                    self.gso = false; // the device cannot segment: plain datagrams from now on
                }
                continue;
            }
            for message in &self.messages[at..at + sent as usize] {
                result.datagrams += message.msg_hdr.msg_iovlen as u64;
            }
            result.messages += sent as u64;
            at += sent as usize;
        }
        self.count = 0;
        result
    }

    /// Fills the kernel's structures; answers the number of messages.
    fn prepare(&mut self) -> usize {
        let (mut first, mut messages) = (0, 0);
        while first < self.count {
            let size = self.lengths[first];
            let last = self.run_end(first);
            for n in first..last {
                self.iov[n] = libc::iovec { iov_base: self.data[n].as_mut_ptr().cast(), iov_len: self.lengths[n] };
            }
            let name = &self.names[first];
            let header = &mut self.messages[messages].msg_hdr;
            header.msg_name = name.ptr();
            header.msg_namelen = name.len;
            header.msg_iov = &raw mut self.iov[first];
            header.msg_iovlen = (last - first) as _;
            header.msg_control = std::ptr::null_mut();
            header.msg_controllen = 0;
            if last - first > 1 {
                let control = &mut self.control[messages];
                header.msg_control = control.0.as_mut_ptr().cast();
                // SAFETY: Control is aligned for cmsghdr and longer than CMSG_SPACE(2).
                unsafe {
                    header.msg_controllen = libc::CMSG_SPACE(2) as _;
                    let message = libc::CMSG_FIRSTHDR(header);
                    (*message).cmsg_level = libc::SOL_UDP;
                    (*message).cmsg_type = libc::UDP_SEGMENT;
                    (*message).cmsg_len = libc::CMSG_LEN(2) as _;
                    libc::CMSG_DATA(message).cast::<u16>().write_unaligned(size as u16);
                }
            }
            messages += 1;
            first = last;
        }
        messages
    }

    /// End of the run that starts at `first`: all but its last datagram have one size, the last may be shorter.
    fn run_end(&self, first: usize) -> usize {
        let size = self.lengths[first];
        let mut end = first + 1;
        if !self.gso {
            return end;
        }
        let most = (first + GSO_SEGMENTS).min(self.count).min(first + (GSO_BYTES / size.max(1)).max(1));
        while end < most && self.run[end] == self.run[first] && self.lengths[end] <= size {
            end += 1;
            if self.lengths[end - 1] < size {
                break;
            }
        }
        end
    }
}

fn set_option(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` lives across the call and has the given length.
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), length) }).map(|_| ())
}

/// A non-blocking media socket: big buffers, no fragments, IPv6 apart from IPv4.
///
/// # Errors
/// What bind(2) says, most often that the address is in use.
pub fn media_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: no pointers; the new descriptor is owned at once.
    let fd = unsafe {
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        OwnedFd::from_raw_fd(check(libc::socket(family, kind, 0))?)
    };
    let raw = fd.as_raw_fd();
    for (force, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
        // The forced size needs a privilege; without it the system's limit has to do.
        if set_option(raw, libc::SOL_SOCKET, force, 16 << 20).is_err() {
            set_option(raw, libc::SOL_SOCKET, plain, 4 << 20)?;
        }
    }
    if address.is_ipv4() {
        set_option(raw, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO)?;
    } else {
        set_option(raw, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        set_option(raw, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO)?;
    }
    let name = RawAddr::from(address);
    // SAFETY: `name` is a valid address of `name.len` bytes.
    check(unsafe { libc::bind(raw, name.ptr().cast(), name.len) })?;
    Ok(UdpSocket::from(fd))
}

/// Readiness of descriptors, level-triggered, for reading.
pub struct Epoll(OwnedFd);

impl Epoll {
    /// # Errors
    /// When descriptors are used up.
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: no pointers; the new descriptor is owned at once.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) }))
    }

    /// Watches `fd`; its readiness is reported as `token`.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn add(&self, fd: &impl AsRawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, libc::EPOLLIN)
    }

    /// Watches `fd` also for writing, or no longer.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn watch_writing(&self, fd: &impl AsRawFd, token: u64, on: bool) -> io::Result<()> {
        let events = if on { libc::EPOLLIN | libc::EPOLLOUT } else { libc::EPOLLIN };
        self.control(libc::EPOLL_CTL_MOD, fd, token, events)
    }

    fn control(&self, operation: libc::c_int, fd: &impl AsRawFd, token: u64, events: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        // SAFETY: `event` lives across the call.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd.as_raw_fd(), &raw mut event) }).map(|_| ())
    }

    /// Waits until something is ready or the time is over; `ready` holds the tokens then.
    ///
    /// # Errors
    /// As epoll_wait(2); an interruption counts as nothing ready.
    pub fn wait(&self, ready: &mut Vec<u64>, timeout: Duration) -> io::Result<()> {
        const MOST: usize = 64;
        let mut events = MaybeUninit::<[libc::epoll_event; MOST]>::uninit();
        let millis = timeout.as_micros().div_ceil(1000).min(60_000) as libc::c_int;
        ready.clear();
        // SAFETY: room for MOST events.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr().cast(), MOST as i32, millis) };
        let count = match check(count) {
            Ok(count) => count as usize,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
            Err(e) => return Err(e),
        };
        for n in 0..count {
            // SAFETY: the kernel filled the first `count` events.
            ready.push(unsafe { (*events.as_ptr().cast::<libc::epoll_event>().add(n)).u64 });
        }
        Ok(())
    }
}

/// A descriptor that another thread makes ready.
pub struct EventFd(OwnedFd);

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl EventFd {
    /// # Errors
    /// When descriptors are used up.
    pub fn new() -> io::Result<EventFd> {
        let flags = libc::EFD_NONBLOCK | libc::EFD_CLOEXEC;
        // SAFETY: no pointers; the new descriptor is owned at once.
        Ok(EventFd(unsafe { OwnedFd::from_raw_fd(check(libc::eventfd(0, flags))?) }))
    }

    /// Makes it ready.
    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: eight bytes to write. A full counter is ready anyway, so the result does not matter.
        let _ = unsafe { libc::write(self.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Makes it unready.
    pub fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes to read into. An empty counter is unready anyway.
        let _ = unsafe { libc::read(self.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

/// SIGTERM and SIGINT as a descriptor. Call before any thread starts; all threads inherit the blocked signals.
pub struct Signals(OwnedFd);

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Signals {
    /// # Errors
    /// When descriptors are used up.
    pub fn block() -> io::Result<Signals> {
        // SAFETY: `set` is initialised by sigemptyset before use; signalfd copies it.
        unsafe {
            let mut set: libc::sigset_t = zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGTERM);
            libc::sigaddset(&raw mut set, libc::SIGINT);
            let error = libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            if error != 0 {
                return Err(io::Error::from_raw_os_error(error));
            }
            let fd = check(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
            Ok(Signals(OwnedFd::from_raw_fd(fd)))
        }
    }
}

/// Addresses of the interfaces that are up: (address, whether it is a loopback).
///
/// # Errors
/// As getifaddrs(3).
pub fn interface_addresses() -> io::Result<Vec<(IpAddr, bool)>> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `list` receives a list that is walked and freed below.
    check(unsafe { libc::getifaddrs(&raw mut list) })?;
    let mut addresses = Vec::new();
    let mut next = list;
    while !next.is_null() {
        // SAFETY: a node of the list, valid until freeifaddrs; its address has the length of its family.
        unsafe {
            let node = &*next;
            next = node.ifa_next;
            if node.ifa_addr.is_null() || node.ifa_flags & libc::IFF_UP as u32 == 0 {
                continue;
            }
            let loopback = node.ifa_flags & libc::IFF_LOOPBACK as u32 != 0;
            match libc::c_int::from((*node.ifa_addr).sa_family) {
                libc::AF_INET => {
                    let v4: libc::sockaddr_in = std::ptr::read_unaligned(node.ifa_addr.cast());
                    addresses.push((IpAddr::from(v4.sin_addr.s_addr.to_ne_bytes()), loopback));
                }
                libc::AF_INET6 => {
                    let v6: libc::sockaddr_in6 = std::ptr::read_unaligned(node.ifa_addr.cast());
                    addresses.push((IpAddr::from(v6.sin6_addr.s6_addr), loopback));
                }
                _ => {}
            }
        }
    }
    // SAFETY: the list of getifaddrs, freed once.
    unsafe { libc::freeifaddrs(list) };
    Ok(addresses)
}

/// CPU time of the calling thread.
pub fn thread_cpu_time() -> Duration {
    // SAFETY: clock_gettime fills the structure; this clock cannot fail.
    let time = unsafe {
        let mut time: libc::timespec = zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of this process: user and system.
pub fn cpu_times() -> (Duration, Duration) {
    // SAFETY: getrusage fills the structure; RUSAGE_SELF cannot fail.
    let usage = unsafe {
        let mut usage: libc::rusage = zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    (time(usage.ru_utime), time(usage.ru_stime))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(address: &str) -> (UdpSocket, UdpSocket, RawAddr) {
        let address: SocketAddr = address.parse().unwrap();
        let (a, b) = (media_socket(address).unwrap(), media_socket(address).unwrap());
        let to = RawAddr::from(b.local_addr().unwrap());
        (a, b, to)
    }

    fn receive(socket: &UdpSocket, count: usize) -> Vec<(Vec<u8>, SocketAddr)> {
        let epoll = Epoll::new().unwrap();
        epoll.add(socket, 7).unwrap();
        let (mut batch, mut got, mut ready) = (RecvBatch::new(), Vec::new(), Vec::new());
        while got.len() < count {
            epoll.wait(&mut ready, Duration::from_secs(5)).unwrap();
            assert_eq!(ready, [7], "nothing came within five seconds");
            let n = batch.recv(socket).unwrap();
            got.extend((0..n).map(|n| batch.packet(n)).map(|(data, from)| (data.to_vec(), from)));
        }
        got
    }

    #[test]
    fn runs_of_one_size_leave_as_one_message_and_arrive_as_written() {
        let (a, b, to) = pair("127.0.0.1:0");
        let mut batch = SendBatch::new(true);
        for (n, size) in [900usize, 900, 900, 300, 900, 901].into_iter().enumerate() {
            batch.place()[..size].fill(n as u8);
            batch.commit(size, &to, 1);
        }
        let flushed = batch.flush(&a);
        assert_eq!((flushed.datagrams, flushed.messages, flushed.errors), (6, 3, 0));
        let got = receive(&b, 6);
        let sizes: Vec<usize> = got.iter().map(|(data, _)| data.len()).collect();
        assert_eq!(sizes, [900, 900, 900, 300, 900, 901]);
        assert!(got.iter().enumerate().all(|(n, (data, _))| data.iter().all(|byte| *byte == n as u8)));
        assert_eq!(got[0].1, a.local_addr().unwrap());
    }

    #[test]
    fn ipv6_works_and_addresses_survive_a_round_trip() {
        let (a, b, to) = pair("[::1]:0");
        assert_eq!(to.to_std(), Some(b.local_addr().unwrap()));
        let mut batch = SendBatch::new(true);
        batch.place()[..3].copy_from_slice(b"abc");
        batch.commit(3, &to, 0);
        assert_eq!(batch.flush(&a).datagrams, 1);
        assert_eq!(receive(&b, 1)[0].0, b"abc");
    }

    #[test]
    fn a_sender_can_be_answered_at_the_address_received_from() {
        let (a, b, to) = pair("127.0.0.1:0");
        let (mut out, mut received) = (SendBatch::new(false), RecvBatch::new());
        out.place()[..3].copy_from_slice(b"ask");
        out.commit(3, &to, 0);
        out.flush(&a);
        while received.recv(&b).unwrap() == 0 {}
        let from = *received.datagram(0).1;
        out.place()[..3].copy_from_slice(b"say");
        out.commit(3, &from, 0);
        assert_eq!(out.flush(&b).datagrams, 1);
        assert_eq!(receive(&a, 1)[0].0, b"say");
    }

    #[test]
    fn the_loopback_interface_is_found() {
        let found = interface_addresses().unwrap();
        assert!(found.contains(&(IpAddr::from([127, 0, 0, 1]), true)), "{found:?}");
    }
}
