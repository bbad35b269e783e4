// SPDX-License-Identifier: BSD-3-Clause
//
// guestnet-bench-ns3 FLOWS SECONDS RUN: what dumbbell.c is held against. Prints
// the processor time of the run in seconds and the goodput of all flows in Mbit/s.
#include <ns3/applications-module.h>
#include <ns3/core-module.h>
#include <ns3/internet-module.h>
#include <ns3/network-module.h>
#include <ns3/point-to-point-module.h>
#include <ns3/traffic-control-module.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

using namespace ns3;

namespace
{

// The MTU of a line is 1,500, and neither side has time stamps: as ours.
void SetDefaults()
{
    Config::SetDefault("ns3::TcpL4Protocol::SocketType",
                       StringValue("ns3::TcpNewReno"));
    Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(1460));
    Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(2 << 20));
    Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(2 << 20));
    Config::SetDefault("ns3::TcpSocketBase::Timestamp", BooleanValue(false));
}

// A queue of the line's and none above it.
NetDeviceContainer Join(Ptr<Node> a, Ptr<Node> b, const char *rate,
                        const char *delay, const std::string &prefix,
                        Ipv4InterfaceContainer *interfaces)
{
    PointToPointHelper line;
    line.SetDeviceAttribute("DataRate", StringValue(rate));
    line.SetChannelAttribute("Delay", StringValue(delay));
    line.SetQueue("ns3::DropTailQueue<Packet>", "MaxSize",
                  QueueSizeValue(QueueSize("256KiB")));
    NetDeviceContainer devices = line.Install(a, b);
    Ipv4AddressHelper addresses(prefix.c_str(), "255.255.255.0");
    *interfaces = addresses.Assign(devices);
    TrafficControlHelper().Uninstall(devices);
    return devices;
}

Ptr<PacketSink> AddFlow(Ptr<Node> from, Ptr<Node> to, Ipv4Address address,
                        unsigned number)
{
    PacketSinkHelper sink("ns3::TcpSocketFactory",
                          InetSocketAddress(Ipv4Address::GetAny(), 5000));
    BulkSendHelper source("ns3::TcpSocketFactory",
                          InetSocketAddress(address, 5000));
    source.SetAttribute("MaxBytes", UintegerValue(0));
    source.SetAttribute("SendSize", UintegerValue(65536));
    source.Install(from).Start(MilliSeconds(number));
    return DynamicCast<PacketSink>(sink.Install(to).Get(0));
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    unsigned n_flows = static_cast<unsigned>(std::atoi(argv[1]));
    unsigned seconds = static_cast<unsigned>(std::atoi(argv[2]));
    NodeContainer left, right, routers;
    Ipv4InterfaceContainer ends;
    std::vector<Ptr<PacketSink>> sinks;
    double bits = 0;

    RngSeedManager::SetRun(static_cast<uint64_t>(std::atoi(argv[3])));
    SetDefaults();
    left.Create(n_flows);
    right.Create(n_flows);
    routers.Create(2);
    InternetStackHelper().InstallAll();
    Join(routers.Get(0), routers.Get(1), "100Mbps", "10ms", "10.99.0.0", &ends);
    for (unsigned i = 0; i < n_flows; i++) {
        std::string n = std::to_string(i + 1);
        Join(left.Get(i), routers.Get(0), "10Gbps", "0ms", "10.1." + n + ".0",
             &ends);
        Join(right.Get(i), routers.Get(1), "10Gbps", "0ms", "10.2." + n + ".0",
             &ends);
        sinks.push_back(
            AddFlow(left.Get(i), right.Get(i), ends.GetAddress(0), i));
    }
    Ipv4GlobalRoutingHelper::PopulateRoutingTables();
    Simulator::Stop(Seconds(seconds));
    std::clock_t start = std::clock();
    Simulator::Run();
    double seconds_taken =
        static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    for (const auto &sink : sinks)
        bits += static_cast<double>(sink->GetTotalRx()) * 8;
    std::printf("%.6f %.6f\n", seconds_taken, bits / 1e6 / seconds);
    Simulator::Destroy();
    return 0;
}
