import socket
from pathlib import Path

from stack.ports import HIGHEST, LOWEST, Ports, port_of


def outgoing_ports_begin_at():
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def test_ports_are_not_among_those_the_kernel_draws_for_outgoing_connections():
    assert LOWEST < HIGHEST <= outgoing_ports_begin_at()


def test_a_remembered_port_is_used_again():
    first = Ports({})
    chosen = first.reserve("postgres")
    remembered = first.chosen()
    first.close()
    again = Ports(remembered)
    number = again.reserve("postgres")
    again.close()
    assert number == chosen


def test_a_remembered_port_that_somebody_took_is_replaced():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = Ports({"postgres": port_of(taken)})
        assert ports.reserve("postgres") != port_of(taken)
        ports.close()


def test_a_server_may_listen_on_its_reserved_port_and_nobody_else_is_given_it():
    ports = Ports({})
    number = ports.reserve("amqp")
    for _ in range(2):  # the second time stands for the server's restart
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", number))
            server.listen()
            with socket.create_connection(("127.0.0.1", number), timeout=1):
                pass
    with socket.socket() as stranger:
        try:
            stranger.bind(("127.0.0.1", number))
        except OSError:
            taken = True
        else:
            taken = False
    assert taken
    ports.close()


def test_connections_wait_in_a_listening_socket_nobody_serves_yet():
    ports = Ports({})
    held = ports.listen("gateway")
    with socket.create_connection(("127.0.0.1", port_of(held)), timeout=1) as early:
        early.sendall(b"hello")
        served, _ = held.accept()
        with served:
            assert served.recv(5) == b"hello"
    ports.close()
