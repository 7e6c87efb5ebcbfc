"""Python's redis against the server on the port given, in both protocols; the last line is "ok"."""

import sys
import threading

import redis

port = int(sys.argv[1])
for protocol in (2, 3):
    client = redis.Redis(port=port, protocol=protocol)
    client.flushall()
    assert client.set("k", b"\x00\xff", ex=100) is True
    assert client.get("k") == b"\x00\xff"
    assert client.get("nothing") is None
    assert 98 <= client.ttl("k") <= 100
    assert client.set("k", "new", nx=True) is None
    assert client.set("k", "new", get=True) == b"\x00\xff"
    assert client.incrbyfloat("f", 0.1) == 0.1
    assert client.mget(["k", "nothing"]) == [b"new", None]
    assert client.lcs("k", "k", len=True) == 3
    with client.pipeline() as pipe:
        pipe.watch("k")
        pipe.multi()
        pipe.set("k", "x").get("k")
        assert pipe.execute() == [True, b"x"]
    pipe = client.pipeline(transaction=False)
    for number in range(20_000):
        pipe.set(f"key:{number}", number)
    assert all(pipe.execute())
    assert client.dbsize() == 20_002
    assert sorted(client.scan_iter("key:1234*")) == sorted(client.keys("key:1234*"))
    listener = client.pubsub()
    listener.subscribe("news")
    listener.psubscribe("n*")
    assert [listener.get_message(timeout=5)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
    assert client.publish("news", "hello") == 2
    assert {listener.get_message(timeout=5)["type"] for _ in range(2)} == {"message", "pmessage"}
    listener.close()
    assert client.info("server")["redis_version"] == "7.0.15"
    assert client.config_get("maxclients") == {"maxclients": "10000"}
    assert client.command_getkeys("MSET", "a", 1, "b", 2) in (["a", "b"], [b"a", b"b"])
    try:
        client.lpush("list", "x")
        raise SystemExit("LPUSH was taken")
    except redis.ResponseError as error:
        assert "unknown command 'LPUSH'" in str(error)

lock = redis.Redis(port=port)
counted = []


def count():
    with redis.Redis(port=port).client() as own:
        for _ in range(200):
            own.incr("counted")
    counted.append(True)


threads = [threading.Thread(target=count) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert lock.get("counted") == b"1600" and len(counted) == 8
print("ok")
