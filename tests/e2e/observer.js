// Runs in the pages under test before their own scripts: sees what is really received, without touching the client.
// Reads the pattern of pattern.py out of every <video>, listens to every received audio track, keeps the peer connections.
// Draws the same pattern as a screen to share and, with e2e.canvasCamera, as the camera of a browser without capture files.
(() => {
  if (window.e2e) return;
  const COLUMNS = 16, ROWS = 9, NUMBER = 8, SENDER = 3, BEEP = 2400;
  const TONES = { 1: 450, 2: 700, 3: 1000, 4: 1350 };
  const e2e = window.e2e = {
    pcs: [], local: [], videos: [], seen: {}, flashes: {}, beeps: [], tones: {}, errors: [], sender: 0, canvasCamera: false, noise: false,
  };

  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) { super(...args); e2e.pcs.push(this); }
  };
  window.addEventListener("error", (event) => e2e.errors.push(String(event.message)));
  window.addEventListener("unhandledrejection", (event) => e2e.errors.push(String(event.reason)));

  // --- cameras and screens ---------------------------------------------------------------------------------------------
  function paint(context, width, height, number, sender, fps) {
    const cell = width / COLUMNS, value = (number << SENDER) | sender, count = NUMBER + SENDER;
    context.fillStyle = "rgb(60,60,60)"; context.fillRect(0, 0, width, height);
    for (let i = 0; i < count; i++) {
      const bit = (value >> (count - 1 - i)) & 1;
      context.fillStyle = bit ? "white" : "black"; context.fillRect((i + 2) * cell, cell, cell, 2 * cell);
      context.fillStyle = bit ? "black" : "white"; context.fillRect((i + 2) * cell, 3 * cell, cell, 2 * cell);
    }
    context.fillStyle = number % fps < 2 ? "white" : "rgb(40,40,40)"; context.fillRect(0, 5 * cell, width, 4 * cell);
    context.fillStyle = "white"; context.fillRect(0, 0, cell, height);
    context.fillStyle = "black"; context.fillRect(width - cell, 0, cell, height);
  }
  function grain(context, width, height) {  // something that costs an encoder all the bits it may spend
    for (let y = 5 * height / ROWS; y < height; y += 12) {
      for (let x = width / COLUMNS; x < width - width / COLUMNS; x += 12) {
        context.fillStyle = `hsl(${Math.random() * 360} 80% 50%)`; context.fillRect(x, y, 12, 12);
      }
    }
  }
  e2e.canvasStream = (sender, width, height, fps) => {
    const canvas = document.createElement("canvas");
    canvas.width = width; canvas.height = height;
    const context = canvas.getContext("2d");
    let number = 0;
    const draw = () => {
      paint(context, width, height, number++ % 200, sender, fps);
      if (e2e.noise) grain(context, width, height);
    };
    draw();
    const timer = setInterval(draw, 1000 / fps);
    const stream = canvas.captureStream(fps);
    stream.getVideoTracks()[0].addEventListener("ended", () => clearInterval(timer));
    return stream;
  };
  const devices = navigator.mediaDevices, getUserMedia = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wanted) => {
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };  // they would remove a tone
    const audio = wanted.audio && { ...(typeof wanted.audio === "object" ? wanted.audio : {}), ...plain };
    const drawn = wanted.video && e2e.canvasCamera;
    const stream = drawn && !audio ? new MediaStream() : await getUserMedia({ ...wanted, audio, video: !drawn && wanted.video });
    if (drawn) stream.addTrack(e2e.canvasStream(e2e.sender, 640, 360, 25).getVideoTracks()[0]);
    e2e.local.push(stream);
    return stream;
  };
  devices.getDisplayMedia = async () => {
    const stream = e2e.canvasStream(4 + e2e.sender, 1280, 720, 15);
    e2e.local.push(stream);
    return stream;
  };

  // --- what is seen ----------------------------------------------------------------------------------------------------
  const small = new OffscreenCanvas(COLUMNS * 4, ROWS * 4).getContext("2d", { willReadFrequently: true });
  function read(video) {
    small.drawImage(video, 0, 0, COLUMNS * 4, ROWS * 4);
    const data = small.getImageData(0, 0, COLUMNS * 4, ROWS * 4).data;
    const bright = (column, row) => data[((row * 4 + 2) * COLUMNS * 4 + column * 4 + 2) * 4 + 1];
    return { got: decode(bright), pixels: data };
  }
  function differ(one, other) {
    for (let at = 1; at < one.length; at += 4) if (Math.abs(one[at] - other[at]) > 40) return true;
    return false;
  }
  function decode(bright) {
    if (bright(0, 4) < 150 || bright(COLUMNS - 1, 4) > 110) return null;
    let value = 0;
    for (let i = 0; i < NUMBER + SENDER; i++) {
      const up = bright(i + 2, 1), down = bright(i + 2, 3);
      if (Math.abs(up - down) < 60) return null;
      value = value * 2 + (up > down ? 1 : 0);
    }
    return { number: value >> SENDER, sender: value & ((1 << SENDER) - 1), flash: bright(13, 5) > 140 };
  }
  function watch(video, mine) {
    const flashing = {}, entry = { mine, video, changes: 0 };
    let before = null;
    e2e.videos.push(entry);
    const step = (now, facts) => {
      if (mine && !e2e.localBeeps) {  // reading costs: one's own picture only when its sound is listened to as well
        video.requestVideoFrameCallback(step);
        return;
      }
      const { got, pixels } = read(video);
      if (before && differ(pixels, before)) entry.changes += 1;
      before = pixels;
      if (got) {
        const who = (mine ? "local" : "") + got.sender;
        const list = (e2e.seen[who] ??= []);
        list.push({ t: now, n: got.number, p: facts.presentedFrames, w: video.videoWidth, h: video.videoHeight });
        if (list.length > 3000) list.splice(0, 1000);
        if (got.flash && !flashing[who]) (e2e.flashes[who] ??= []).push(facts.presentationTime ?? now);
        flashing[who] = got.flash;
      }
      video.requestVideoFrameCallback(step);
    };
    video.requestVideoFrameCallback(step);
  }

  // --- what is heard ---------------------------------------------------------------------------------------------------
  let audio = null;
  function power(samples, hertz, rate) {  // Goertzel
    const k = 2 * Math.cos(2 * Math.PI * hertz / rate);
    let a = 0, b = 0;
    for (const x of samples) { const c = x + k * a - b; b = a; a = c; }
    return Math.sqrt(Math.max(0, a * a + b * b - k * a * b)) * 2 / samples.length;
  }
  function listen(track, onBlock, size) {
    audio ??= new AudioContext({ sampleRate: 48000 });
    const source = audio.createMediaStreamSource(new MediaStream([track]));
    const node = audio.createScriptProcessor(size, 1, 1);
    node.onaudioprocess = (event) => {
      const stamp = audio.getOutputTimestamp();
      onBlock(event.inputBuffer.getChannelData(0), stamp.performanceTime + (event.playbackTime - stamp.contextTime) * 1000);
    };
    source.connect(node).connect(audio.destination);
    (e2e.nodes ??= []).push(source, node);
  }
  function hear(track, list) {
    const recent = {};
    let beeping = false;
    listen(track, (samples, t) => {
      const beep = power(samples, BEEP, 48000) > 0.05;
      if (beep && !beeping) list.push(t);
      beeping = beep;
      if (list !== e2e.beeps) return;
      for (const [sender, hertz] of Object.entries(TONES)) {
        const level = recent[sender] = 0.7 * (recent[sender] ?? 0) + 0.3 * power(samples, hertz, 48000);
        if (level < 0.05) continue;
        const heard = (e2e.tones[sender] ??= { count: 0, last: t, gap: 0, level: 0 });
        heard.gap = Math.max(heard.gap, t - heard.last);
        heard.last = t; heard.count += 1; heard.level = level;
      }
    }, 512);
  }
  // How many shown pictures of others have moved at least `changes` times.
  e2e.moving = (changes) => e2e.videos.filter((v) => !v.mine && v.changes >= changes && v.video.checkVisibility()).length;
  e2e.resetGaps = () => { for (const tone of Object.values(e2e.tones)) { tone.gap = 0; tone.last = Math.max(tone.last, performance.now()); } };
  e2e.listenToMyself = () => {  // the same measure at the sender, to know what the capture itself is out of step by
    e2e.localBeeps = [];
    const stream = e2e.local.find((s) => s.getAudioTracks().length && s.getAudioTracks()[0].readyState === "live");
    hear(stream.getAudioTracks()[0], e2e.localBeeps);
  };

  const watched = new WeakSet(), heard = new WeakSet();
  setInterval(() => {
    const own = new Set(e2e.local.flatMap((stream) => stream.getTracks().map((track) => track.id)));
    for (const video of document.querySelectorAll("video")) {
      const track = video.srcObject?.getVideoTracks()[0];
      if (!track || watched.has(video)) continue;
      watched.add(video);
      watch(video, own.has(track.id));
    }
    for (const pc of e2e.pcs) {
      if (pc.connectionState !== "connected") continue;
      for (const { track } of pc.getReceivers()) {
        if (track.kind !== "audio" || heard.has(track)) continue;
        heard.add(track);
        hear(track, e2e.beeps);
      }
    }
  }, 100);

  // --- what the browser counts -----------------------------------------------------------------------------------------
  // What the browser believes it can send, in bits per second; null before it has an estimate.
  e2e.uplink = async () => {
    for (const pc of e2e.pcs.filter((pc) => pc.connectionState === "connected")) {
      for (const stat of (await pc.getStats()).values()) {
        if (stat.type === "candidate-pair" && stat.nominated) return stat.availableOutgoingBitrate ?? null;
      }
    }
    return null;
  };
  e2e.stats = async () => {
    const rows = [];
    for (const pc of e2e.pcs) {
      if (pc.connectionState === "closed") continue;
      const report = await pc.getStats();
      for (const stat of report.values()) {
        if (stat.type !== "inbound-rtp" && stat.type !== "outbound-rtp") continue;
        rows.push({ ...stat, codec: report.get(stat.codecId)?.mimeType ?? null });
      }
    }
    return rows;
  };
})();
