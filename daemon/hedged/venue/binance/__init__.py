"""Binance USD-M futures; also what lies in its spot, funding, Earn and COIN-M wallets."""
