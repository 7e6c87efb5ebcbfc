// Bun beside the io_uring server: `/plaintext` as a static route, which is its fastest kind, and an echo on `/ws`.
Bun.serve({
    hostname: "0.0.0.0",
    port: Number(process.argv[2]),
    routes: { "/plaintext": new Response("Hello, World!", { headers: { "content-type": "text/plain" } }) },
    fetch(request, server) {
        return server.upgrade(request) ? undefined : new Response("not found", { status: 404 });
    },
    websocket: {
        message(socket, message) {
            socket.send(message);
        },
    },
});
