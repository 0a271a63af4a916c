"""recgrela beside other libraries: each trains on one split, one evaluation ranks for all."""
