[lanchat]
title=lanchat server
description=Chat for the local network, and mDNS, by which clients find it
ports=7072/tcp|5353/udp
