/**
 * A control plane without media, for tests and for working on the pages (`npm run fake`): serves dist/, answers the public facts of
 * a room, and speaks the WebSocket protocol with a roster of invented people. It never answers an offer, so tiles show initials.
 */
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const POLICY = "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; img-src 'self' data:; object-src 'none'; base-uri 'none'";
const NAMES = ["Hélène Roux", "Samira Benali", "Marc Olivieri", "Hôtel de Ville, salle 01", "Paul Giraud", "Clara Santoni", "Jean-Baptiste de la Tour d’Auvergne"];

/** @param {number} count */
export function people(count) {
  return Array.from({ length: count }, (_, i) => ({
    id: `p${i}`,
    name: i < NAMES.length ? NAMES[i] : `${NAMES[i % NAMES.length]} ${Math.floor(i / NAMES.length) + 1}`,
    role: i === 0 ? "organiser" : "participant",
    ...(i % 7 === 3 ? { kind: "sip" } : i % 7 === 4 ? { kind: "phone" } : {}),
    tracks: i % 3 === 1 ? [] : ["mic", "camera"],
    joined_at: i,
  }));
}

/**
 * @param {{ port?: number, others?: number, pin?: string | null, role?: string, onmessage?: (message: any, socket: import("ws").WebSocket) => void }} [options]
 */
export async function startFake({ port = 0, others = 5, pin = null, role = "participant", onmessage } = {}) {
  const http = createServer(async ({ url = "/" }, response) => {
    const path = new URL(url, "http://x").pathname;
    if (path.startsWith("/api/rooms/")) {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ name: "Point budget 2027", number: "482913706", language: "fr", pin_required: pin !== null, seats: 100, present: others }));
      return;
    }
    const file = path.startsWith("/r/") ? "room.html" : normalize(path).replace(/^[/.]+/, "");
    try {
      const body = await readFile(join(DIST, file));
      response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
      response.setHeader("content-security-policy", POLICY);
      response.end(body);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  const sockets = new WebSocketServer({ server: http, path: "/ws", handleProtocols: (offered) => (offered.has("massalia.v1") ? "massalia.v1" : false) });
  let tokens = 0;
  sockets.on("connection", (socket) => {
    const say = (message) => socket.send(JSON.stringify(message));
    const welcome = (name, resumed) => {
      tokens += 1;
      say({
        type: "joined", version: 1, you: "me", role, token: `token-${tokens}`, resumed, need_offer: !resumed,
        room: { slug: "essai", name: "Point budget 2027", number: "482913706", seats: 100, mode: "meeting", language: "fr", may_share: true },
        roster: [...people(others), { id: "me", name, role, tracks: ["mic", "camera"], joined_at: 1e6 }],
        plan: {},
      });
      if (others > 0) say({ type: "speakers", dominant: "p0", active: [{ id: "p0", level: 20 }] });
    };
    socket.on("message", (data) => {
      const message = JSON.parse(String(data));
      onmessage?.(message, socket);
      if (message.type === "ping") say({ type: "pong", t: message.t });
      else if (message.type === "resume") welcome("Clara", true);
      else if (message.type === "join" && pin !== null && message.pin !== pin) say({ type: "error", code: "bad_pin", message: "", field: "pin" });
      else if (message.type === "join") welcome(message.name, false);
      else if (message.type === "mute") say({ type: "roster", seq: 1, put: [{ ...people(others).find(({ id }) => id === message.participant), tracks: ["camera"] }], total: others + 1 });
    });
  });
  await new Promise((done) => http.listen(port, "127.0.0.1", () => done(undefined)));
  const address = http.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    clients: sockets.clients,
    /** Cuts every line without a word. */
    cut: () => sockets.clients.forEach((socket) => socket.terminate()),
    close: () => new Promise((done) => {
      sockets.clients.forEach((socket) => socket.terminate());
      http.closeAllConnections();
      http.close(() => done(undefined));
    }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [others = "5", pin] = process.argv.slice(2);
  const { port } = await startFake({ port: 8080, others: Number(others), pin: pin ?? null, role: "organiser" });
  console.log(`http://localhost:${port}/r/essai`);
}
