# Answers GET /N with N bytes, and echoes what is posted, with trailers behind it.
import socket
import sys

import h2.config
import h2.connection
import h2.events

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()


def send(connection, waiting):
    """Sends of each body what the windows allow."""
    for stream, (body, trailers) in list(waiting.items()):
        while body:
            room = min(connection.local_flow_control_window(stream), connection.max_outbound_frame_size)
            if room <= 0:
                break
            connection.send_data(stream, body[:room])
            body = body[room:]
        waiting[stream] = (body, trailers)
        if not body:
            del waiting[stream]
            if trailers:
                connection.send_headers(stream, trailers, end_stream=True)
            else:
                connection.end_stream(stream)


def serve(peer):
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    uploads, waiting = {}, {}
    peer.sendall(connection.data_to_send())
    while True:
        data = peer.recv(65536)
        if not data:
            return
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                fields = dict(event.headers)
                connection.send_headers(event.stream_id, [(":status", "200")])
                path, method = (fields.get(name, fields.get(name.encode())) for name in (":path", ":method"))
                path = path if isinstance(path, str) else path.decode()
                if method in ("GET", b"GET"):
                    waiting[event.stream_id] = (b"x" * int(path[1:]), None)
                else:
                    uploads[event.stream_id] = b""
            elif isinstance(event, h2.events.DataReceived):
                uploads[event.stream_id] += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded) and event.stream_id in uploads:
                body = uploads.pop(event.stream_id)
                waiting[event.stream_id] = (body, [("x-length", str(len(body)))])
        send(connection, waiting)
        peer.sendall(connection.data_to_send())


while True:
    peer, _ = listener.accept()
    with peer:
        serve(peer)
