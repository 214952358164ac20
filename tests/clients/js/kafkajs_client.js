'use strict';

// kafkajs: a client in JavaScript alone. What the requests and answers are is in ../README.md.

const { createHash } = require('node:crypto');
const readline = require('node:readline');
const kafkajs = require('kafkajs');
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = kafkajs;

const WAIT_MS = 30000;

const kafka = new Kafka({
  clientId: 'matrix',
  brokers: process.argv[2].split(','),
  logLevel: logLevel.ERROR,
  // Everything but its answers goes to standard error.
  logCreator: () => ({ log }) => process.stderr.write(`${JSON.stringify(log)}\n`),
});

async function registerCodecs() {
  const zstd = require('@bokuweb/zstd-wasm');
  const lz4 = require('lz4js');
  await zstd.init();
  CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async (encoder) => Buffer.from(lz4.compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
  });
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
  });
}

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

async function about() {
  return {
    versions: { kafkajs: require('kafkajs/package.json').version },
    // What it produces; lz4js frames are read from brokers, but brokers refuse those it makes.
    codecs: Object.keys(CODECS).filter((name) => name !== 'lz4'),
    group_protocols: ['classic'],
  };
}

async function withAdmin(use) {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

async function list() {
  const { topics } = await withAdmin((admin) => admin.fetchTopicMetadata());
  return { topics: Object.fromEntries(topics.map((one) => [one.name, one.partitions.length])) };
}

// A promise that others settle, and that fails by itself when nobody does in time.
function outcome(what) {
  const settled = {};
  settled.promise = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what()} after ${WAIT_MS} ms`)), WAIT_MS);
    settled.resolve = () => { clearTimeout(timer); resolve(); };
    settled.reject = (error) => { clearTimeout(timer); reject(error); };
  });
  return settled;
}

// Runs a consumer until `done()` holds after a message or a fetch.
async function consumeUntil(options, topic, { onMessage, onFetch = () => {}, done }) {
  const consumer = kafka.consumer({ ...options, maxWaitTimeInMs: 200, retry: { retries: 3 } });
  const finished = outcome(() => `the consumer of ${options.groupId} is not done`);
  const look = () => { if (done()) finished.resolve(); };
  consumer.on(consumer.events.CRASH, ({ payload }) => finished.reject(payload.error));
  consumer.on(consumer.events.FETCH, () => { onFetch(); look(); });
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        await onMessage(partition, message, consumer);
        look();
      },
    });
    await finished.promise;
  } finally {
    await consumer.disconnect();
  }
}

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const shortHash = (data) => (data === null ? 'null' : sha256(data).slice(0, 16));

function headerPairs(headers) {
  return Object.entries(headers ?? {})
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => [name, one]));
}

function line(message) {
  const headers = headerPairs(message.headers).map(([name, one]) => `${name}=${shortHash(one)}`);
  return [
    message.offset, message.timestamp, shortHash(message.key), shortHash(message.value),
    headers.join(',') || '-',
  ].join(' ');
}

// kafkajs cannot be assigned partitions and does not say where it stands after a marker, so it
// reads in a group of its own until it has the records that the request expects and two more
// fetches have brought nothing.
async function consume(request) {
  const lines = new Map();
  const values = [];
  let fetches = 0;
  const onMessage = (partition, message) => {
    fetches = 0;
    if (!lines.has(partition)) lines.set(partition, []);
    lines.get(partition).push(line(message));
    const text = request.values && message.value !== null ? message.value.toString() : '';
    if (request.values && text.startsWith(request.values)) {
      values.push([partition, Number(message.offset), text]);
    }
  };
  const complete = () => Object.entries(request.counts)
    .every(([partition, count]) => (lines.get(Number(partition))?.length ?? 0) >= count);
  await consumeUntil({
    groupId: `kafkajs-reader-${process.pid}-${Date.now()}`,
    readUncommitted: request.isolation === 'read_uncommitted',
  }, request.topic, {
    onMessage,
    onFetch: () => { fetches += 1; },
    done: () => fetches > 2 && complete(),
  });
  const partitions = {};
  for (const [partition, some] of lines) {
    partitions[partition] = { count: some.length, sha256: sha256(some.join('\n')) };
    if (request.lines) partitions[partition].lines = some;
  }
  return { partitions, values };
}

async function group(request) {
  const offsets = {};
  let consumed = 0;
  const next = () => Object.entries(offsets).map(([partition, some]) => ({
    topic: request.topic, partition: Number(partition), offset: String(some.at(-1) + 1),
  }));
  await consumeUntil({ groupId: request.group }, request.topic, {
    onMessage: async (partition, message, consumer) => {
      if (consumed === request.count) return;
      (offsets[partition] ??= []).push(Number(message.offset));
      const isDue = (consumed + 1) % (request.commit_every ?? request.count) === 0;
      if (isDue) await consumer.commitOffsets(next());
      consumed += 1;
    },
    done: () => consumed === request.count,
  });
  const [{ partitions }] = await withAdmin((admin) =>
    admin.fetchOffsets({ groupId: request.group, topics: [request.topic] }));
  const committed = {};
  for (const { partition, offset } of partitions) {
    if (Number(offset) >= 0) committed[partition] = Number(offset);
  }
  return { consumed, offsets, committed };
}

async function share(request) {
  const members = [[], []];
  const seen = new Set();
  const all = new Set(Array(request.partitions).keys());
  const finished = outcome(() => `not shared: ${JSON.stringify(members)}, ${seen.size} records`);
  const look = () => {
    const held = members.flat();
    const shared = members.every((one) => one.length > 0)
      && held.length === all.size && new Set(held).size === all.size;
    if (shared && seen.size >= request.count) finished.resolve();
  };
  const consumers = members.map((_, index) => {
    const consumer = kafka.consumer({
      groupId: request.group, maxWaitTimeInMs: 200, heartbeatInterval: 300, rebalanceTimeout: 5000,
    });
    consumer.on(consumer.events.CRASH, ({ payload }) => finished.reject(payload.error));
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      members[index] = payload.memberAssignment[request.topic] ?? [];
      look();
    });
    return consumer;
  });
  try {
    for (const consumer of consumers) {
      await consumer.connect();
      await consumer.subscribe({ topics: [request.topic], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          seen.add(`${partition} ${message.offset}`);
          look();
        },
      });
    }
    await finished.promise;
    return { members: members.map((one) => [...one].sort()), consumed: seen.size };
  } finally {
    await Promise.all(consumers.map((consumer) => consumer.disconnect()));
  }
}

async function produce(request) {
  const producer = kafka.producer({ idempotent: request.idempotent, retry: { retries: 2 } });
  await producer.connect();
  try {
    const messages = Array.from({ length: request.count }, (_, index) => ({
      key: `key-${index}`, value: `${request.prefix}${index}`, partition: request.partition,
    }));
    const [answer] = await producer.send({
      topic: request.topic,
      acks: request.acks === 'all' ? -1 : Number(request.acks),
      compression: CODECS[request.codec],
      messages,
    });
    // One answer for the batch: the offset of its first record.
    const base = Number(answer?.baseOffset ?? -1);
    return { offsets: messages.map((_, index) => (base < 0 ? null : base + index)) };
  } catch (error) {
    for (let cause = error; cause; cause = cause.cause) {
      if (cause.type !== undefined) return { refused: { name: cause.type, code: cause.code } };
    }
    throw error;
  } finally {
    await producer.disconnect();
  }
}

async function main() {
  await registerCodecs();
  const actions = { about, list, consume, group, share, produce };
  for await (const text of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(text);
    let answer;
    try {
      answer = { ok: true, ...await actions[request.action](request) };
    } catch (error) {
      process.stderr.write(`${error.stack}\n`);
      answer = { ok: false, error: `${error.name}: ${error.message}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

main();
