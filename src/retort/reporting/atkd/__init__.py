"""Exhibits of the ATKD paper (Zhong et al., ACL 2024)."""
