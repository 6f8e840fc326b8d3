import ipaddress
import random
import socket

import pytest

from service.fetch.addresses import (
    NOT_PUBLIC_IPV4,
    NOT_PUBLIC_IPV6,
    SystemResolver,
    is_literal,
    is_loopback,
    is_public,
)


@pytest.mark.parametrize(
    "address",
    [
        *("93.184.215.14", "1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255"),
        *("100.128.0.0", "223.255.255.255"),
        *("2606:2800:21f::1", "2a00:1450:4001::200e", "2001:200::1", "2003::1"),
    ],
)
def test_hosts_of_the_public_internet_are_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.0.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"),
        *("172.31.255.255", "192.168.1.1", "100.64.0.1", "100.100.100.200", "192.0.0.192"),
        *("168.63.129.16", "198.18.0.1", "192.0.2.1", "224.0.0.1", "239.255.255.255"),
        *("240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::ffff:127.0.0.1", "::ffff:93.184.215.14", "::127.0.0.1"),
        *("::ffff:0:93.184.215.14", "64:ff9b::10.0.0.1", "64:ff9b::93.184.215.14"),
        *("64:ff9b:1::a00:1", "100::1", "2001::1", "2001:0:4136:e378::1", "2001:2::1"),
        *("2001:db8::1", "2002:7f00:1::", "2002:5db8:d70e::1", "3ffe::1", "3fff::1"),
        *("4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1"),
        *("ff0e::1", "fe80::1%eth0", "2a00:1450:4001::200e%eth0"),
        *("", "example.com", "127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "1.1.1.1."),
        *(" 1.1.1.1", "1.1.1.1\n", "01.1.1.1", "1.1.1.1/32", "\u0661.1.1.1"),
    ],
)
def test_everything_else_is_not(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("network", [*NOT_PUBLIC_IPV4, *NOT_PUBLIC_IPV6], ids=str)
def test_a_network_is_refused_from_its_first_address_to_its_last(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
):
    assert not is_public(str(network[0]))
    assert not is_public(str(network[-1]))


def test_nothing_that_python_calls_private_or_multicast_is_public():
    rng = random.Random(5)
    samples = [ipaddress.IPv4Address(rng.getrandbits(32)) for _ in range(3000)]
    samples += [ipaddress.IPv6Address(rng.getrandbits(128)) for _ in range(1000)]
    samples += [ipaddress.IPv6Address((0x2001 << 112) | rng.getrandbits(112)) for _ in range(1000)]
    public = [address for address in samples if is_public(str(address))]
    assert len(public) > 2000
    for address in public:
        assert address.is_global, address
        assert not address.is_multicast, address


def test_no_address_that_carries_another_one_is_public():
    for inner in ("10.0.0.1", "127.0.0.1", "93.184.215.14"):
        bits = int(ipaddress.IPv4Address(inner))
        for prefix in ("::", "::ffff:0:0", "64:ff9b::"):
            outer = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | bits)
            assert not is_public(str(outer)), outer
        assert not is_public(str(ipaddress.IPv6Address((0x2002 << 112) | (bits << 80))))
        assert not is_public(str(ipaddress.IPv6Address((0x20010000 << 96) | bits)))


def test_loopback_is_this_machine_in_its_plain_form():
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("::ffff:127.0.0.1", "10.0.0.1", "localhost", "::1%lo")))


def test_a_name_is_no_literal():
    assert is_literal("10.0.0.1")
    assert is_literal("::1")
    assert not is_literal("ten.example.com")


async def test_the_system_gives_each_address_of_a_name_once():
    resolver = SystemResolver(threads=1)
    found = await resolver("localhost")
    resolver.close()
    expected = {place[4][0] for place in socket.getaddrinfo("localhost", None)}
    assert len(found) == len(set(found))
    assert set(found) == expected
