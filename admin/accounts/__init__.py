"""Accounts of the people who run the house: sign-in, sessions, passwords. (Booking people come with a later part.)"""
