// Node's ws against the echo on the port given; the last line is "ok".
const assert = require('node:assert');
const { once } = require('node:events');
const WebSocket = require('ws');

const url = `ws://127.0.0.1:${process.argv[2]}/ws`;

async function open() {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  return socket;
}

async function echoed(socket, message, options = {}) {
  const answer = once(socket, 'message');
  socket.send(message, options);
  const [data, isBinary] = await answer;
  assert.equal(isBinary, typeof message !== 'string');
  assert.deepEqual(data, Buffer.from(message));
}

async function main() {
  const socket = await open();
  // It offers permessage-deflate, which is declined.
  assert.equal(socket.extensions, '');
  await echoed(socket, 'hello');
  await echoed(socket, '');
  await echoed(socket, Buffer.alloc(1 << 20, 7));
  const fragments = once(socket, 'message');
  socket.send('a', { fin: false });
  socket.send('b', { fin: true });
  assert.equal((await fragments)[0].toString(), 'ab');
  const pong = once(socket, 'pong');
  socket.ping('there?');
  assert.equal((await pong)[0].toString(), 'there?');
  const closed = once(socket, 'close');
  socket.close(1000, 'enough');
  assert.equal((await closed)[0], 1000);

  const sockets = await Promise.all(Array.from({ length: 100 }, open));
  await Promise.all(sockets.map((each, number) => echoed(each, `of ${number}`)));
  sockets.forEach((each) => each.terminate());

  // Another one doesn't notice those that went without a word.
  await echoed(await open(), 'still here');
  console.log('ok');
  process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
