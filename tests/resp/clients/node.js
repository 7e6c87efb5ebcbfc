// Node's ioredis against the server on the port given; the last line is "ok".
const assert = require('node:assert');
const Redis = require('ioredis');

const port = Number(process.argv[2]);

async function main() {
  const redis = new Redis({ port });
  await redis.flushall();
  assert.equal(await redis.set('k', Buffer.from([0, 255]), 'EX', 100), 'OK');
  assert.deepEqual(await redis.getBuffer('k'), Buffer.from([0, 255]));
  assert.equal(await redis.get('nothing'), null);
  assert.equal(await redis.incr('n'), 1);
  assert.deepEqual(await redis.mget('n', 'nothing'), ['1', null]);
  assert.deepEqual(await redis.multi().set('k', 'v').get('k').exec(), [[null, 'OK'], [null, 'v']]);
  const many = redis.pipeline();
  for (let number = 0; number < 5000; number++) many.set(`key:${number}`, number);
  assert.equal((await many.exec()).filter(([error]) => error).length, 0);
  const keys = [];
  for await (const some of redis.scanStream({ match: 'key:*', count: 500 })) keys.push(...some);
  assert.equal(new Set(keys).size, 5000);
  await assert.rejects(redis.lpush('list', 'x'), /unknown command/);
  const listener = new Redis({ port });
  const heard = new Promise((resolve) => listener.on('message', (channel, text) => resolve([channel, text])));
  await listener.subscribe('news');
  assert.equal(await redis.publish('news', 'hello'), 1);
  assert.deepEqual(await heard, ['news', 'hello']);
  listener.disconnect();
  await redis.quit();
  console.log('ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
