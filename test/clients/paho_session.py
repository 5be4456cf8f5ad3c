#!/usr/bin/env python3
"""MQTT by paho-mqtt as a test tells it: one JSON command per line of standard input, one JSON answer each.

    connect {name, url, version, username, password, clientId?, clean?, keepalive?, will?, properties?}
    subscribe {name, filters: [{topic, qos, noLocal?, retainAsPublished?, retainHandling?}], properties?}
    unsubscribe {name, topics}   publish {name, topic, payload, qos, retain?, properties?}
    messages {name, count, wait}   take what has come, after `count` messages or `wait` seconds
    disconnect {name, properties?}   cut {name}   ended {name}   why the connection ended

Acknowledgements are given by paho itself.
"""

import json
import socket
import sys
import threading
import time
import urllib.parse

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions


def properties_of(kind, given):
    if not given:
        return None
    properties = Properties(kind)
    for name, value in given.items():
        setattr(properties, name, value)
    return properties


def shown(properties):
    return {} if properties is None else {k: v for k, v in properties.json().items() if not isinstance(v, bytes)}


def code(reason):
    return reason.value if hasattr(reason, "value") else int(reason)


class Client:
    def __init__(self, name, url, version, username=None, password=None, clientId=None, clean=True, keepalive=60,
                 will=None, properties=None, ca=None):
        self.version = version
        self.events = threading.Condition()
        self.connack = None
        self.acks = {}
        self.received = []
        self.end = None
        at = urllib.parse.urlsplit(url)
        five = version == "5"
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=clientId or name,
            protocol=paho.MQTTv5 if five else paho.MQTTv311,
            clean_session=None if five else clean,
            transport="websockets" if at.scheme in ("ws", "wss") else "tcp",
        )
        if ca:
            self.client.tls_set(ca_certs=ca)
        self.client.username_pw_set(username, password)
        if will:
            self.client.will_set(
                will["topic"], will["payload"], will.get("qos", 1), will.get("retain", False),
                properties=properties_of(PacketTypes.WILLMESSAGE, will.get("properties")),
            )
        self.client.on_connect = self.on_connect
        self.client.on_disconnect = self.on_disconnect
        self.client.on_message = self.on_message
        self.client.on_subscribe = lambda _c, _u, mid, reasons, props: self.answer(mid, [code(r) for r in reasons])
        self.client.on_unsubscribe = lambda _c, _u, mid, reasons, props: self.answer(mid, [code(r) for r in reasons])
        self.client.on_publish = lambda _c, _u, mid, reason, props: self.answer(mid, [code(reason)])
        # A test connects again by itself.
        self.client.reconnect_delay_set(3600, 3600)
        extra = {"clean_start": clean, "properties": properties_of(PacketTypes.CONNECT, properties)} if five else {}
        self.client.connect(at.hostname, at.port, keepalive, **extra)
        self.client.loop_start()

    def on_connect(self, _client, _userdata, flags, reason, properties):
        with self.events:
            self.connack = {"code": code(reason), "present": bool(flags.session_present), "properties": shown(properties)}
            self.events.notify_all()

    def on_disconnect(self, _client, _userdata, _flags, reason, _properties):
        with self.events:
            self.end = code(reason)
            self.events.notify_all()

    def on_message(self, _client, _userdata, message):
        with self.events:
            self.received.append({
                "topic": message.topic, "payload": message.payload.decode(), "qos": message.qos,
                "retain": bool(message.retain), "dup": bool(message.dup),
                "properties": shown(getattr(message, "properties", None)),
            })
            self.events.notify_all()

    def answer(self, mid, codes):
        with self.events:
            self.acks[mid] = codes
            self.events.notify_all()

    def until(self, happened, seconds=10):
        with self.events:
            return self.events.wait_for(happened, seconds)

    def acknowledged(self, mid):
        self.until(lambda: mid in self.acks or self.end is not None)
        return {"codes": self.acks.get(mid), "ended": self.end}


clients = {}


def run(do, name, **given):
    if do == "connect":
        clients[name] = Client(name, **given)
        clients[name].until(lambda: clients[name].connack is not None or clients[name].end is not None)
        return clients[name].connack or {"ended": clients[name].end}
    client = clients[name]
    five = client.version == "5"
    if do == "subscribe":
        if five:
            filters = [
                (f["topic"], SubscribeOptions(qos=f.get("qos", 1), noLocal=f.get("noLocal", False),
                                              retainAsPublished=f.get("retainAsPublished", False),
                                              retainHandling=f.get("retainHandling", 0)))
                for f in given["filters"]
            ]
            _, mid = client.client.subscribe(filters, properties=properties_of(PacketTypes.SUBSCRIBE, given.get("properties")))
        else:
            _, mid = client.client.subscribe([(f["topic"], f.get("qos", 1)) for f in given["filters"]])
        return client.acknowledged(mid)
    if do == "unsubscribe":
        _, mid = client.client.unsubscribe(given["topics"])
        return client.acknowledged(mid)
    if do == "publish":
        properties = {"properties": properties_of(PacketTypes.PUBLISH, given.get("properties"))} if five else {}
        info = client.client.publish(given["topic"], given["payload"], given.get("qos", 1), given.get("retain", False), **properties)
        return client.acknowledged(info.mid)
    if do == "messages":
        client.until(lambda: len(client.received) >= given["count"], given.get("wait", 10))
        with client.events:
            taken, client.received = client.received, []
        return {"messages": taken}
    if do == "disconnect":
        client.client.disconnect(**({"properties": properties_of(PacketTypes.DISCONNECT, given.get("properties"))} if five else {}))
        client.until(lambda: client.end is not None)
        client.client.loop_stop()
        return {}
    if do == "cut":
        # Neither DISCONNECT nor a new attempt.
        client.client.loop_stop()
        sock = client.client.socket()
        if sock is not None:
            (sock if hasattr(sock, "shutdown") else sock._socket).shutdown(socket.SHUT_RDWR)
            sock.close()
        return {}
    if do == "ended":
        client.until(lambda: client.end is not None)
        client.client.loop_stop()
        return {"code": client.end}
    raise ValueError(f"unknown command {do}")


for line in sys.stdin:
    try:
        answer = run(**json.loads(line))
    except Exception as error:  # told to the test, whatever it is
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
