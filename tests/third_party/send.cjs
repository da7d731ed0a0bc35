// Sends messages with a library of another maker and prints, as JSON, what that library reads in each answer.
// stdin: {"host", "port", "tls": {"ca", "cert", "key"} or null, "messages": [text]}; argument: the library, or "tunnel".

"use strict";

const fs = require("fs");
const net = require("net");
const tls = require("tls");

function secured(asked) {
  const read = (name) => (asked.tls[name] ? fs.readFileSync(asked.tls[name]) : undefined);
  return { ca: read("ca"), cert: read("cert"), key: read("key"), servername: "localhost" };
}

function withSimpleHl7(asked, done) {
  const hl7 = require("simple-hl7");
  const parser = new hl7.Parser({ segmentSeperator: "\r" });
  const client = hl7.Server.createTcpClient({ host: asked.host, port: asked.port, keepalive: true });
  const answers = [];
  const next = () => {
    if (answers.length === asked.messages.length) {
      client.close();
      return done(answers);
    }
    client.send(parser.parse(asked.messages[answers.length]), (error, ack) => {
      if (error) throw error;
      const msa = ack.getSegment("MSA");
      answers.push({ code: msa.getField(1), control_id: msa.getField(2), text: msa.getField(3), raw: ack.toString() });
      // The library is ready for the next message only after this call returns.
      setImmediate(next);
    });
  };
  next();
}

function withNodeHl7Client(asked, done) {
  const { Client, Message } = require("node-hl7-client");
  const client = new Client({ host: asked.host, ...(asked.tls ? { tls: secured(asked) } : {}) });
  const answers = [];
  const connection = client.createConnection({ port: asked.port }, async (response) => {
    const ack = response.getMessage();
    const field = (number) => ack.get(`MSA.${number}`).toString();
    answers.push({ code: field(1), control_id: field(2), text: field(3), raw: ack.toString() });
    setImmediate(next);
  });
  connection.on("client.error", (error) => { throw error; });
  const next = () => {
    if (answers.length === asked.messages.length) {
      return connection.close().then(() => done(answers));
    }
    return connection.sendMessage(new Message({ text: asked.messages[answers.length] }));
  };
  connection.once("connect", next);
}

// A sender that closes its side right after its messages and then reads what it is answered.
function withHalfClose(asked, done) {
  const options = { host: asked.host, port: asked.port, allowHalfOpen: true };
  const socket = asked.tls ? tls.connect({ ...options, ...secured(asked) }) : net.connect(options);
  const frames = asked.messages.map((text) => `\x0b${text}\x1c\r`);
  const chunks = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("end", () => {
    const answers = Buffer.concat(chunks).toString("utf8").split("\x1c\r").filter(Boolean);
    done(answers.map((raw) => ({ raw: raw.slice(1) })));
  });
  socket.end(frames.join(""));
}

// As stunnel stands before engines that speak no TLS: each end that one side closes is closed on the other, one way.
function tunnel(asked) {
  const server = net.createServer({ allowHalfOpen: true }, (plain) => {
    const far = tls.connect({ host: asked.host, port: asked.port, allowHalfOpen: true, ...secured(asked) });
    plain.pipe(far).pipe(plain);
    far.on("error", () => plain.destroy());
    plain.on("error", () => far.destroy());
  });
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
}

const asked = JSON.parse(fs.readFileSync(0, "utf8"));
const print = (answers) => console.log(JSON.stringify(answers));
const ways = { "simple-hl7": withSimpleHl7, "node-hl7-client": withNodeHl7Client, "half-close": withHalfClose, tunnel };
ways[process.argv[2]](asked, print);
