@    60     SOA   ns hostmaster ( 1 3600 600 86400 60 )
@    300    NS    ns
ns   300    A     192.0.2.53
www  30/30  DYNC  metafo!www
