# A hundred downloads at once, an echo, and trailers.
import socket
import sys

import h2.connection
import h2.events

peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection = h2.connection.H2Connection()
connection.initiate_connection()
bodies, trailers, ended = {}, {}, set()


def text(value):
    return value if isinstance(value, str) else value.decode()


def turn():
    """Says what there is to say, and hears what comes."""
    peer.sendall(connection.data_to_send())
    data = peer.recv(65536)
    assert data, "the server has gone"
    for event in connection.receive_data(data):
        if isinstance(event, h2.events.ResponseReceived):
            fields = {text(name): text(value) for name, value in event.headers}
            assert fields[":status"] == "200", fields
        elif isinstance(event, h2.events.DataReceived):
            bodies[event.stream_id] += event.data
            if event.flow_controlled_length:
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            trailers[event.stream_id] = {text(name): text(value) for name, value in event.headers}
        elif isinstance(event, h2.events.StreamEnded):
            ended.add(event.stream_id)
        assert not isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)), event


def ask(method, path, end_stream=True):
    stream = connection.get_next_available_stream_id()
    fields = [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
    connection.send_headers(stream, fields, end_stream=end_stream)
    bodies[stream] = b""
    return stream


downloads = {ask("GET", f"/bytes/{n * 100}"): n * 100 for n in range(100)}
while not ended.issuperset(downloads):
    turn()
for stream, length in downloads.items():
    assert bodies[stream] == b"x" * length, (stream, length)

whole = b"raddle" * 50000
echo, rest = ask("POST", "/echo", end_stream=False), whole
while rest:
    room = min(connection.local_flow_control_window(echo), connection.max_outbound_frame_size)
    if room == 0:
        turn()
        continue
    connection.send_data(echo, rest[:room])
    rest = rest[room:]
connection.end_stream(echo)
last = ask("GET", "/trailers")
while not ended.issuperset([echo, last]):
    turn()
assert bodies[echo] == whole
assert trailers[last]["x-checksum"] == "31", trailers
connection.close_connection()
peer.sendall(connection.data_to_send())
print("100 downloads, an echo and trailers")
