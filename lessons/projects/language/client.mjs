// A chat client for Node.js: it asks for a name, sends what you type and shows what comes.
//
//     node client.mjs 127.0.0.1 1234
//
// There is one thread and nothing ever waits: each kind of event has a function that is called for
// it. Node.js 18 or newer; no package is needed.

import net from "node:net";
import readline from "node:readline";

const HEADER = 10; // bytes: the payload's length as ASCII digits, padded with spaces
const MAX_PAYLOAD = 65_536; // bytes
// What could harm a terminal: control characters but the tab, and what turns the text around it.
const UNSAFE = /[\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;

const [host, port] = process.argv.slice(2);
if (!host || !port) {
  console.error("usage: node client.mjs HOST PORT");
  process.exit(2);
}

// ---- Frames -------------------------------------------------------------------------------------

/** Return text as one frame. The length counts bytes: "é" has two. */
function frame(text) {
  const data = Buffer.from(text, "utf8");
  return Buffer.concat([Buffer.from(String(data.length).padEnd(HEADER)), data]);
}

/** Cut the whole frames off a buffer: return their payloads, and what is left over. */
function takeFrames(buffer) {
  const payloads = [];
  while (buffer.length >= HEADER) {
    const header = buffer.toString("latin1", 0, HEADER);
    const digits = /^ *([0-9]+) *$/.exec(header);
    if (!digits || Number(digits[1]) > MAX_PAYLOAD) {
      throw new Error(`wrong header ${JSON.stringify(header)}`);
    }
    const end = HEADER + Number(digits[1]);
    if (buffer.length < end) break;
    payloads.push(buffer.subarray(HEADER, end));
    buffer = buffer.subarray(end);
  }
  return [payloads, buffer];
}

// ---- One connection -----------------------------------------------------------------------------

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
let received = Buffer.alloc(0); // but not taken as a frame yet
let sender = null; // the first half of a pair
let isLeaving = false;

const sock = net.connect({ host, port: Number(port), allowHalfOpen: true });
sock.setNoDelay(true);
sock.on("connect", () => process.stdout.write("name: "));
sock.on("data", hear);
sock.on("end", ended);
sock.on("error", (error) => giveUp(error.message));

/** Take what came: any part of a frame, or several of them. */
function hear(chunk) {
  try {
    let payloads;
    [payloads, received] = takeFrames(Buffer.concat([received, chunk]));
    for (const payload of payloads) {
      const text = decoder.decode(payload);
      if (sender === null) {
        sender = text;
      } else {
        show(sender, text);
        sender = null;
      }
    }
  } catch (error) {
    giveUp(error.message);
  }
}

/** Show a pair as a line: who speaks, then the text, without what could do harm. */
function show(sender, text) {
  const line = sender === "server" ? `* ${text}` : `${sender}>> ${text}`;
  console.log(line.replace(UNSAFE, "\ufffd"));
  if (sender === "server" && text.startsWith("refused")) leave(1);
}

/** The server has hung up. */
function ended() {
  if (received.length > 0 || sender !== null) giveUp("it hung up in the middle of a pair");
  else if (!isLeaving) giveUp("it hung up");
  else leave(0);
}

function giveUp(reason) {
  console.error(`no chat with ${host}:${port}, ${reason}`);
  leave(1);
}

function leave(code) {
  sock.destroy();
  process.exitCode = code;
  process.stdin.destroy(); // it would keep us alive
}

// ---- The keyboard -------------------------------------------------------------------------------

const keyboard = readline.createInterface({ input: process.stdin });
keyboard.on("line", (line) => {
  if (line && !isLeaving) sock.write(frame(line));
  if (line === "/quit") finish();
});
keyboard.on("close", finish);

/** We say nothing more, but hear the rest. */
function finish() {
  isLeaving = true;
  sock.end();
}
