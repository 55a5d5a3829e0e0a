"""Names of people and places, the same in both languages."""

from __future__ import annotations


def _words(table: str) -> tuple[str, ...]:
    return tuple(table.split())


WOMEN = _words("""
Ana Maria Elena Clara Laura Julia Sofia Marta Irene Lucia Rosa Carmen Teresa Isabel Nora Alba Vera Eva Sara Paula Olga
Diana Silvia Emma Victoria Adriana Camila Daniela Gloria Helena Ines Jana Karina Lidia Monica Natalia Olivia Patricia
Raquel Sandra Tamara Ursula Valeria Wanda Yolanda Zoe Amelia Beatriz Celia Dora Esther Flora Greta Hilda
""")

MEN = _words("""
Carlos David Daniel Martin Pablo Hugo Oscar Victor Leo Bruno Adrian Simon Tomas Lucas Nicolas Gabriel Rafael Samuel
Andres Felix Ivan Marcos Mateo Ruben Sergio Alberto Antonio Benito Cesar Diego Emilio Fernando Gonzalo Hector Ismael
Javier Kevin Leon Mario Nestor Omar Pedro Quentin Ramon Salvador Teo Ulises Valentin Walter Xavier Yago Alonso Basil
Claudio
""")

TOWNS = _words("""
Alcora Belmonte Carrizal Doria Estela Florida Granada Hidalgo Irun Jerez Kalmar Lorca Medina Navarra Olmedo Palma
Quito Ronda Segovia Toledo Ubeda Valencia Yecla Zamora Almeria Burgos Cordoba Durango Elche Fontana Gandia Huelva
Ibiza Jaca Murcia Nerja Oviedo Pamplona Rioja Salamanca Tudela Vigo Avila Cadiz Denia Alameda Bonita Corona Delmar
Encino Fresno
""")
