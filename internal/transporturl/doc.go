// Package transporturl reads the transport URLs of oslo.messaging, with which OpenStack's
// services say where their Kafka is, as librdkafka's properties:
//
//	kafka://user:password@host1:9092,host2:9092/vhost?compression_codec=gzip
//
// It takes what oslo.messaging 18's own parser (oslo_messaging/transport.py,
// TransportURL.parse) and its Kafka driver (_drivers/impl_kafka.py) can connect with, and
// says of everything else what is wrong. plugins/kafkaupstream calls it for a route's
// transport_url, and cmd/kafkaupstream to know whether a route names its brokers.
//
// It is not for connecting, and not for URLs of other drivers. A password may be anywhere
// in a URL that is wrong, so no error repeats a part of one.
package transporturl
