/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The services that programs name, of IANA's registry: what /etc/services is
 * asked for in practice. A guest must not depend on which file the host has.
 */
#include "resolver/resolver.h"

#include <string.h>

#define TCP 1u
#define UDP 2u

static const struct service {
    const char *name;
    uint16_t port;
    uint8_t networks;
} services[] = {
    {"echo", 7, TCP | UDP},
    {"discard", 9, TCP | UDP},
    {"daytime", 13, TCP | UDP},
    {"chargen", 19, TCP | UDP},
    {"ftp-data", 20, TCP},
    {"ftp", 21, TCP},
    {"ssh", 22, TCP},
    {"telnet", 23, TCP},
    {"smtp", 25, TCP},
    {"time", 37, TCP | UDP},
    {"whois", 43, TCP},
    {"domain", 53, TCP | UDP},
    {"bootps", 67, UDP},
    {"bootpc", 68, UDP},
    {"tftp", 69, UDP},
    {"gopher", 70, TCP},
    {"finger", 79, TCP},
    {"http", 80, TCP},
    {"kerberos", 88, TCP | UDP},
    {"pop3", 110, TCP},
    {"sunrpc", 111, TCP | UDP},
    {"nntp", 119, TCP},
    {"ntp", 123, UDP},
    {"netbios-ns", 137, UDP},
    {"netbios-dgm", 138, UDP},
    {"netbios-ssn", 139, TCP},
    {"imap2", 143, TCP},
    {"imap", 143, TCP},
    {"snmp", 161, TCP | UDP},
    {"snmp-trap", 162, TCP | UDP},
    {"bgp", 179, TCP},
    {"irc", 194, TCP | UDP},
    {"ldap", 389, TCP | UDP},
    {"https", 443, TCP | UDP},
    {"microsoft-ds", 445, TCP | UDP},
    {"submissions", 465, TCP},
    {"isakmp", 500, UDP},
    {"syslog", 514, UDP},
    {"printer", 515, TCP},
    {"rtsp", 554, TCP | UDP},
    {"nntps", 563, TCP},
    {"submission", 587, TCP},
    {"ipp", 631, TCP},
    {"ldaps", 636, TCP | UDP},
    {"domain-s", 853, TCP | UDP},
    {"rsync", 873, TCP},
    {"ftps-data", 989, TCP},
    {"ftps", 990, TCP},
    {"telnets", 992, TCP},
    {"imaps", 993, TCP},
    {"pop3s", 995, TCP},
    {"socks", 1080, TCP},
    {"openvpn", 1194, TCP | UDP},
    {"ms-sql-s", 1433, TCP},
    {"radius", 1812, UDP},
    {"mqtt", 1883, TCP},
    {"nfs", 2049, TCP | UDP},
    {"etcd-client", 2379, TCP},
    {"mysql", 3306, TCP},
    {"ms-wbt-server", 3389, TCP},
    {"stun", 3478, TCP | UDP},
    {"svn", 3690, TCP},
    {"epmd", 4369, TCP},
    {"sip", 5060, TCP | UDP},
    {"sip-tls", 5061, TCP | UDP},
    {"xmpp-client", 5222, TCP},
    {"mdns", 5353, UDP},
    {"postgresql", 5432, TCP},
    {"amqps", 5671, TCP},
    {"amqp", 5672, TCP},
    {"redis", 6379, TCP},
    {"http-alt", 8080, TCP | UDP},
    {"secure-mqtt", 8883, TCP},
    {"git", 9418, TCP},
};

bool gn__service_is_valid(const char *service)
{
    size_t len = strnlen(service, GN__LABEL_MAX + 1);
    size_t i;

    for (i = 0; i < len; i++) {
        if (service[i] <= ' ' || service[i] > '~')
            return false;
    }
    return len > 0 && len <= GN__LABEL_MAX;
}

static const struct service *next_of(const struct service *at)
{
    at = at ? at + 1 : services;
    return at < services + sizeof(services) / sizeof(*services) ? at : NULL;
}

static bool is_on(const struct service *service, const char *proto)
{
    return service->networks & (strcmp(proto, "udp") ? TCP : UDP);
}

uint16_t gn__service_port(const char *proto, const char *name)
{
    const struct service *at = NULL;

    while ((at = next_of(at))) {
        if (is_on(at, proto) && !strcmp(at->name, name))
            return at->port;
    }
    return 0;
}

const char *gn__service_name(const char *proto, uint16_t port)
{
    const struct service *at = NULL;

    while ((at = next_of(at))) {
        if (is_on(at, proto) && at->port == port)
            return at->name;
    }
    return NULL;
}
